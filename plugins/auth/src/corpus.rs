//! Replays the corpus of the fuzz targets, and lets random records at the same checks.

use proptest::prelude::*;

use crate::{dkim, dmarc, names, results, spf};

/// A check over octets; it panics where something does not hold.
type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
const ALL: [(&str, Check); 5] = [
    ("spf", spf::checks::spf),
    ("dkim", dkim::checks::dkim),
    ("tags", dkim::tag_checks::tags),
    ("dmarc", dmarc::checks::dmarc),
    ("results", results::checks::results),
];

/// Words of SPF records.
const TERMS: &str = "v=spf1|[+?~-]?all|include:[a-z]\\.example|redirect=[a-z]\\.example|exp=%\\{i\\}\\.example|a|mx|ptr|\
    a:[atv]\\.example/24//64|mx:%\\{[slodiphv][0-9]?r?[.+/-]?\\}\\.example|exists:%\\{[slodiphvSLODIPHV]{1,2}[0-9]{0,2}r?\\}|\
    ptr:%\\{p\\}\\.example|ip4:192\\.0\\.2\\.[0-9]{1,3}/[0-9]{1,2}|ip6:2001:db8::[0-9a-f]{1,4}/[0-9]{1,3}|%%|%_|%-|%\\{|ü|x=y";

/// Tags of DKIM keys, signatures and policies.
const TAGS: &str = "(v=DKIM1|v=DMARC1|v=1|a=rsa-sha256|a=ed25519-sha256|c=(relaxed|simple)(/relaxed)?|d=[a-z]\\.example|d=|\
    s=[a-z]|s=\\*|h=from|h=from : to:from|h=sha256|bh=[A-Za-z0-9+/]{4}|b=[A-Za-z0-9+/]{8}|b=|i=@[a-z]\\.[a-z]\\.example|l=[0-9]{1,30}|\
    t=[0-9]{1,12}|t=s|t=y|x=[0-9]{1,12}|k=rsa|k=ed25519|p=|p=[A-Za-z0-9+/]{4,200}|p=(none|quarantine|reject)|sp=reject|np=reject|\
    adkim=[rs]|aspf=[rs]|psd=[yn]|pct=0|n=ü|=|x)";

#[test]
fn the_corpus_replays() {
    for (target, check) in ALL {
        lazaret_corpus::replay(target, check);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, check) in ALL {
            check(&octets);
        }
    }

    #[test]
    fn random_spf_records(
        sender in "[a-z.+-]{0,12} [a-z.]{0,12}",
        records in prop::collection::vec(prop::collection::vec(TERMS, 0..14), 1..4),
    ) {
        let records: Vec<_> = records.iter().map(|terms| format!("v=spf1 {}", terms.join(" "))).collect();
        spf::checks::spf(format!("{sender}\n{}", records.join("\n")).as_bytes());
    }

    #[test]
    fn random_signatures(
        key in prop::collection::vec(TAGS, 0..8),
        signatures in prop::collection::vec(prop::collection::vec(TAGS, 0..14), 0..8),
        body in "(A line\\.|[ \t]{1,3}|\n|\r\n|\r){0,20}",
    ) {
        let signatures = signatures.iter().map(|tags| format!("DKIM-Signature: {}\n", tags.join(";\n ")));
        let header: String = signatures.chain(["From: a@a.example\n".to_owned()]).collect();
        dkim::checks::dkim(format!("{}\n{header}\n{body}", key.join("; ")).as_bytes());
    }

    #[test]
    fn random_policies(
        from in "([a-z]{1,4}|\"x\"|<|>|@|,|:|;|\\(|\\)|\\\\|\"|ü|\\.| |[a-z]\\.[a-z]\\.example){0,20}",
        records in prop::collection::vec(prop::collection::vec(TAGS, 0..8), 1..4),
    ) {
        let records: Vec<_> = records.iter().map(|tags| format!("v=DMARC1; {}", tags.join("; "))).collect();
        dmarc::checks::dmarc(format!("{from}\n{}", records.join("\n")).as_bytes());
    }

    #[test]
    fn random_results(
        value in "(mx|\\.|example|org|MX\\.Example\\.ORG|\"|\\\\|\\(|\\)|;|=|spf=pass| |\r\n\t|\n|1|ü){0,20}",
    ) {
        results::checks::results(value.as_bytes());
    }

    /// A domain is written in one way, and read again it is the same.
    #[test]
    fn random_domains(text in "([a-zA-Z0-9_-]{1,8}|xn--|\\.|ü|ß|例|\u{3002}|\u{ff0e}| |@){0,12}") {
        if let Some(domain) = names::domain(&text) {
            prop_assert_eq!(names::domain(&domain), Some(domain.clone()));
            prop_assert!(domain.len() <= 253 && domain.is_ascii());
        }
    }
}
