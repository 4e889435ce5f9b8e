//! Messages it must catch, look-alikes it must not, and every answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Attachments;
use crate::zip::archive;

/// A message with a text and one attachment, as common mail programs write it.
fn message(content_type: &str, name: &str, content: &[u8]) -> String {
    let lines: Vec<_> = STANDARD
        .encode(content)
        .into_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "Date: Mon, 02 Mar 2026 10:00:00 +0000\n\
         From: Accounts <accounts@example.com>\n\
         To: anna@example.org\n\
         Subject: Your invoice\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"=_42\"\n\
         \n\
         --=_42\n\
         Content-Type: text/plain; charset=utf-8\n\
         \n\
         Dear Anna, please find it attached.\n\
         --=_42\n\
         Content-Type: {content_type}\n\
         Content-Disposition: attachment; filename=\"{name}\"\n\
         Content-Transfer-Encoding: base64\n\
         \n\
         {}\n\
         --=_42--\n",
        lines.join("\n")
    )
}

fn judged(name: &str, content: &[u8]) -> Report {
    judged_with("", name, content)
}

fn judged_with(config: &str, name: &str, content: &[u8]) -> Report {
    let message = message("application/octet-stream", name, content);
    Transaction::new()
        .message(message)
        .run::<Attachments>(config)
}

fn refused(report: &Report, why: &str) {
    let expected = format!("reject 550 5.7.1 we do not take this message: {why}");
    assert_eq!(report.verdict().to_string(), expected);
}

fn passes(report: &Report) {
    assert!(report.verdict().passes(), "{}", report.verdict());
    assert_eq!(report.symbols(), [""; 0]);
}

fn windows_program() -> Vec<u8> {
    let mut octets = b"MZ\x90".to_vec();
    octets.resize(0x3c, 0);
    octets.extend_from_slice(&0x40u32.to_le_bytes());
    octets.extend_from_slice(b"PE\0\0");
    octets
}

/// `S: 550 5.7.1 we do not take this message: "invoice.pdf.exe" is a program that looks like a document`
#[test]
fn the_corpus_replays() {
    lazaret_corpus::replay("attachment", crate::checks::attachment);
}

#[test]
fn catches_the_invoice_that_is_a_program() {
    let why = "\"invoice.pdf.exe\" is a program that looks like a document";
    refused(&judged("invoice.pdf.exe", b"anything"), why);
}

/// The name is harmless, the content runs.
#[test]
fn catches_a_program_named_as_a_picture() {
    refused(
        &judged("holiday.jpg", &windows_program()),
        "\"holiday.jpg\" is a Windows program",
    );
}

/// A parcel notice of 2016: an archive with one script.
#[test]
fn catches_a_script_in_an_archive() {
    let zip = archive(&["Delivery-Details.doc.js"], false);
    refused(
        &judged("Delivery-Details.zip", &zip),
        "\"Delivery-Details.doc.js\" in \"Delivery-Details.zip\" is a program that looks like a document",
    );
}

/// A desktop that unpacks the one unpacks the other.
#[test]
fn catches_a_program_that_is_packed_in_an_archive() {
    for (member, what) in [
        (
            "invoice.pdf.exe.gz",
            "is a program that looks like a document",
        ),
        ("setup.exe.xz", "is a program"),
        ("setup.exe.gz.bz2", "is a program"),
        ("Setup.EXE.Z. ", "is a program"),
        ("run.js.zst", "is a program"),
    ] {
        let why = format!("\"{member}\" in \"invoice.zip\" {what}");
        let zip = archive(&[member], false);
        refused(&judged("invoice.zip", &zip), &why);
    }
    let named = judged("a.zip", &archive(&["plan.xlsm.gz"], false));
    assert_eq!(named.symbols(), ["ATTACHED_MACROS"]);
    let closed = judged("a.zip", &archive(&["a.tar.gz"], false));
    assert_eq!(closed.symbols(), ["ATTACHED_UNLISTED"]);
    let site = judged("logs.zip", &archive(&["www.example.com.gz"], false));
    assert!(site.verdict().passes(), "{}", site.verdict());
    assert_eq!(site.symbols(), ["ATTACHED_UNLISTED"]);
    passes(&judged("logs.zip", &archive(&["access.log.gz"], false)));
    let twice = judged("setup.exe.gz.xz", b"\xfd7zXZ\0");
    refused(
        &twice,
        "\"setup.exe.gz\" in \"setup.exe.gz.xz\" is a program",
    );
    let unknown = judged("setup.exe.lzma", b"?");
    refused(&unknown, "\"setup.exe.lzma\" is a program");
    let text = "begin 644 setup.exe.gz\n#0V%T\n`\nend\n";
    let text = format!("From: a@example.com\nSubject: x\n\nHello.\n\n{text}");
    let report = Transaction::new().message(text).run::<Attachments>("");
    refused(&report, "\"setup.exe.gz\" is a program");
    let sources: Vec<_> = (0..6).map(|n| format!("{n}.js.gz")).collect();
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    passes(&judged("site.zip", &archive(&sources, false)));
}

#[test]
fn catches_a_name_written_in_the_wrong_direction() {
    let name = "=?utf-8?B?YW5uZXjigK5mZHAuZXhl?=";
    refused(
        &judged(name, b"x"),
        "an attachment has a name written in the wrong direction",
    );
}

#[test]
fn catches_a_disk_image_by_content() {
    let mut image = vec![0; 0x8001];
    image.extend_from_slice(b"CD001\x01\0");
    refused(&judged("scan.dat", &image), "\"scan.dat\" is a disk image");
}

#[test]
fn catches_java_in_an_archive_of_any_name() {
    for manifest in ["META-INF/MANIFEST.MF", "meta-inf/Manifest.mf"] {
        let jar = archive(&[manifest, "a/Main.class"], false);
        refused(
            &judged("order.zip", &jar),
            "\"order.zip\" is a Java or Android program",
        );
    }
}

/// A second end record in the comment, or octets in front, hide nothing.
#[test]
fn catches_a_program_in_an_archive_that_is_tampered_with() {
    let why = "\"a.exe\" in \"a.zip\" is a program";
    let hidden = archive(&["a.exe"], false);
    let decoy = archive(&["readme.txt"], false);
    refused(&judged("a.zip", &[hidden.clone(), decoy].concat()), why);
    refused(
        &judged("a.zip", &[b"nothing to see".to_vec(), hidden].concat()),
        why,
    );
}

#[test]
fn catches_a_uuencoded_program_in_the_text() {
    let message = "Subject: look\n\nHi!\n\nbegin 644 photos.exe\nM35J0``,````$````\n`\nend\n";
    let report = Transaction::new().message(message).run::<Attachments>("");
    refused(&report, "\"photos.exe\" is a program");
}

/// What calls itself a message or a multipart is saved under its name all the same.
#[test]
fn catches_a_program_that_calls_itself_a_message() {
    let why = "\"invoice.hta\" is a program";
    for kind in ["message/rfc822", "multipart/x"] {
        let message = message(kind, "invoice.hta", b"<script>");
        refused(
            &Transaction::new().message(message).run::<Attachments>(""),
            why,
        );
    }
    let message = "Content-Type: multipart/x; name=\"a.txt\"\n\nbegin 644 photos.exe\n`\nend\n";
    let report = Transaction::new().message(message).run::<Attachments>("");
    refused(&report, "\"photos.exe\" is a program");
}

#[test]
fn spares_a_forwarded_message() {
    let forwarded = b"Subject: hi\n\nhello\n";
    for name in ["Re: example.com", "Re: invoice.zip", "hi.eml"] {
        let message = message("message/rfc822", name, forwarded);
        passes(&Transaction::new().message(message).run::<Attachments>(""));
    }
}

#[test]
fn catches_uuencoded_programs_wherever_they_stand() {
    let late = format!("{}begin 0644 late.exe\n`\nend\n", "a line\n".repeat(60_000));
    for (kind, text, name) in [
        ("text/html", "begin 644 page.exe\n`\nend\n", "page.exe"),
        ("text/enriched", "begin 644 rich.exe\n`\nend\n", "rich.exe"),
        ("text/plain", &late, "late.exe"),
    ] {
        let message = format!("Content-Type: {kind}\n\n{text}");
        let report = Transaction::new().message(message).run::<Attachments>("");
        refused(&report, &format!("\"{name}\" is a program"));
    }
}

#[test]
fn catches_a_program_by_the_name_inside() {
    let named = b"\x1f\x8b\x08\x08\0\0\0\0\0\0invoice.exe\0...";
    let why = "\"invoice.exe\" in \"invoice.gz\" is a program";
    refused(&judged("invoice.gz", named), why);
    let why = "\"invoice.exe\" in \"invoice.exe.xz\" is a program";
    refused(&judged("invoice.exe.xz", b"\xfd7zXZ\0"), why);
    let archive = [b"x".to_vec(), archive(&["a.exe"], false)].concat();
    refused(
        &judged("a.rar", &archive),
        "\"a.exe\" in \"a.rar\" is a program",
    );
}

/// Unpackers find a ZIP archive by its end; what it begins with may be the beginning of anything.
#[test]
fn catches_a_program_behind_the_start_of_something_else() {
    for start in [
        &b"\x1f\x8b\x08\0"[..],
        b"Rar!\x1a\x07\x01\0",
        b"GIF89a",
        b"%PDF-1.7\n",
        b"{\\rtf1",
        b"<html>",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ] {
        let content = [start, &archive(&["invoice.exe"], false)].concat();
        for name in ["a.zip", "a.rar", "a.7z", "a.zipx", "a.gz"] {
            let why = format!("\"invoice.exe\" in \"{name}\" is a program");
            refused(&judged(name, &content), &why);
        }
    }
    for start in [&b"\x1f\x8b\x08\0"[..], b"Rar!\x1a\x07\x01\0", b"GIF89a"] {
        let content = [start, &archive(&["invoice.exe"], false), b"x"].concat();
        let why = "\"invoice.exe\" in \"a.zip\" is a program";
        refused(&judged("a.zip", &content), why);
    }
    // A tar with an archive at its end: who opens the one does not see the other.
    let mut tar = [
        b"a/gradle-wrapper.jar".to_vec(),
        vec![0; 237],
        b"ustar".to_vec(),
        vec![0; 250],
    ]
    .concat();
    tar.extend(archive(
        &["META-INF/MANIFEST.MF", "a.class", "a.exe"],
        false,
    ));
    tar.extend([0; 1024]);
    let report = judged("project.tar", &tar);
    assert_eq!(report.symbols(), ["ATTACHED_UNLISTED"]);
    // A tar begins with the name of what is in it.
    let report = judged("scan.tar", b"%PDF-1.7");
    assert_eq!(report.symbols(), ["ATTACHED_UNLISTED"]);
}

#[test]
fn reads_the_start_of_a_long_list() {
    let plain: Vec<String> = (0..20_000).map(|n| format!("{n:05}.txt")).collect();
    let mut names: Vec<&str> = plain.iter().map(String::as_str).collect();
    let report = judged("a.zip", &archive(&names, false));
    assert_eq!(report.symbols(), ["ATTACHED_UNLISTED"]);
    names[0] = "a.exe";
    let why = "\"a.exe\" in \"a.zip\" is a program";
    refused(&judged("a.zip", &archive(&names, false)), why);
}

/// A second directory with many names does not make the one script of the first a source.
#[test]
fn catches_a_script_beside_a_decoy() {
    let decoy = archive(&["a", "b", "c", "d", "e", "f"], false);
    let both = [archive(&["invoice.js"], false), decoy].concat();
    let why = "\"invoice.js\" in \"invoice.zip\" is a program";
    refused(&judged("invoice.zip", &both), why);
}

#[test]
fn scores_archives_that_cannot_be_listed() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\0...";
    let nested = archive(&["inner.zip"], false);
    for (name, content) in [
        ("invoice.gz", &gzip[..]),
        ("invoice.dat", gzip),
        ("sources.tar.gz", gzip),
        ("sources.tgz", gzip),
        ("example.com.gz", gzip),
        ("invoice.z", b"?"),
        ("invoice.gz", b"Rar!\x1a\x07\x01\0"),
        ("invoice.pdf.gz", b"Rar!\x1a\x07\x01\0"),
        ("scan.rar", b"xRar!\x1a\x07\x01\0"),
        ("scan.7z", b"x7z\xbc\xaf\x27\x1c"),
        ("scan.tar", b"?"),
        ("scan.xz", b"?"),
        ("scan.bz2", b"BZh91AY&SY"),
        ("scan.zst", b"\x28\xb5\x2f\xfd"),
        ("scan.lzh", b"?"),
        ("scan.arj", b"?"),
        ("scan.zip", &nested),
        ("mail.eml", b"Subject: hi\n\nhello\n"),
        ("mail.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ] {
        let report = judged(name, content);
        assert!(report.verdict().passes(), "{name}: {}", report.verdict());
        assert_eq!(report.symbols(), ["ATTACHED_UNLISTED"], "{name}");
    }
}

#[test]
fn scores_a_page_in_utf_16_and_a_long_one() {
    let page =
        "<html><script>let b=new Blob([atob('TVqQ')]);a.href=URL.createObjectURL(b)</script>";
    let little: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(page.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let big: Vec<u8> = page.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let long = [b"<html>".to_vec(), vec![b' '; 5 << 20], page.into()].concat();
    for content in [little, big, long] {
        assert_eq!(
            judged("voicemail.html", &content).symbols(),
            ["ATTACHED_SMUGGLING"]
        );
    }
}

#[test]
fn scores_macros_seals_and_smuggling() {
    let symbols = |name: &str, content: &[u8]| {
        let report = judged(name, content);
        assert!(report.verdict().passes(), "{name}: {}", report.verdict());
        report.symbols().join(" ")
    };
    let office = archive(
        &[
            "[Content_Types].xml",
            "word/document.xml",
            "word/vbaProject.bin",
        ],
        false,
    );
    assert_eq!(symbols("plan.docx", &office), "ATTACHED_MACROS");
    assert_eq!(symbols("plan.xlsm", b"x"), "ATTACHED_MACROS");
    assert_eq!(
        symbols("scan.zip", &archive(&["scan.txt"], true)),
        "ATTACHED_ENCRYPTED"
    );
    assert_eq!(
        symbols("scan.rar", b"Rar!\x1a\x07\x01\0"),
        "ATTACHED_UNLISTED"
    );
    assert_eq!(
        symbols("scan.zip", b"PK\x03\x04 cut off"),
        "ATTACHED_UNLISTED"
    );
    assert_eq!(
        symbols("scan.pdf", b"<html><body>Log in"),
        "ATTACHED_MISMATCH"
    );
    let page =
        b"<html><script>let b=new Blob([atob('TVqQ')]);a.href=URL.createObjectURL(b)</script>";
    assert_eq!(symbols("voicemail.html", page), "ATTACHED_SMUGGLING");
    let picture = b"<svg xmlns='http://www.w3.org/2000/svg'><script>location='x'</script></svg>";
    assert_eq!(symbols("logo.svg", picture), "ATTACHED_SMUGGLING");
}

/// Names of parts are compared without regard to case (ECMA-376 part 2).
#[test]
fn scores_macros_in_every_spelling() {
    for part in [
        "word/vbaProject.bin",
        "word/VBAPROJECT.BIN",
        "xl/VbaProject.Bin",
        "xl\\vbaProject.bin",
        "vbaProject.bin",
        "xl/macrosheets/sheet1.xml",
        "XL/MacroSheets/Sheet1.xml",
        "word/vbaData.xml",
        "word/VBADATA.XML",
    ] {
        let office = archive(&["[Content_Types].xml", part], false);
        let report = judged("plan.docx", &office);
        assert_eq!(report.symbols(), ["ATTACHED_MACROS"], "{part}");
    }
    let plain = ["[Content_Types].xml", "word/notvbaproject.bin.xml"];
    passes(&judged("plan.docx", &archive(&plain, false)));
}

#[test]
fn old_office_by_its_streams() {
    let stream = |name: &str| -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
            vec![0; 5000],
            name,
        ]
        .concat()
    };
    assert_eq!(
        judged("a.xls", &stream("_VBA_PROJECT")).symbols(),
        ["ATTACHED_MACROS"]
    );
    assert_eq!(
        judged("a.docx", &stream("EncryptedPackage")).symbols(),
        ["ATTACHED_ENCRYPTED"]
    );
    passes(&judged("a.xls", &stream("Workbook")));
}

/// A contract named after what it is about.
#[test]
fn spares_a_document_with_dots_in_its_name() {
    passes(&judged("re.setup.exe.licence.v1.2.pdf", b"%PDF-1.7 ..."));
    passes(&judged("notes on example.com", b"what we agreed on\n"));
}

/// Named after a site; the last character of the octets that are looked at may be cut.
#[test]
fn spares_what_is_named_after_a_site() {
    passes(&judged("Order from amazon.com", b"%PDF-1.7 ..."));
    // Nobody needs these, whatever is in them.
    for disguised in ["annex\u{202e}fdp.com", "invoice.pdf.com"] {
        let report = judged(disguised, b"what we agreed on\n");
        assert!(!report.verdict().passes(), "{disguised}");
    }
    passes(&judged("www.example.com", b"\x89PNG\r\n\x1a\n"));
    let text = format!("{}\u{fc}", "x".repeat(4095));
    passes(&judged("notes on example.com", text.as_bytes()));
    let why = "\"format.com\" is a program";
    refused(&judged("format.com", b"\xb4\x09\xcd\x21\xff"), why);
    refused(
        &judged("amazon.com", &windows_program()),
        "\"amazon.com\" is a program",
    );
}

/// A web project that a colleague sends: scripts are its sources.
#[test]
fn spares_an_archive_of_sources() {
    let project = [
        "site/index.html",
        "site/app.js",
        "site/build.cmd",
        "site/style.css",
        "site/README",
        "site/test.js",
    ];
    passes(&judged("site.zip", &archive(&project, false)));
}

/// A question about a program is not one.
#[test]
fn spares_a_text_about_programs() {
    let message = "Subject: invoice.pdf.exe?\n\nIs invoice.pdf.exe safe? MZ is at its start.\nbegin 2026 well\n";
    passes(&Transaction::new().message(message).run::<Attachments>(""));
}

#[test]
fn spares_what_offices_send_every_day() {
    let office = archive(
        &["[Content_Types].xml", "xl/workbook.xml", "xl/sheet1.xml"],
        false,
    );
    passes(&judged("budget.xlsx", &office));
    passes(&judged("scan.pdf", b"%PDF-1.4 ..."));
    passes(&judged(
        "photo.png",
        b"\xff\xd8\xff\xe0 a JPEG that somebody renamed",
    ));
    passes(&judged("letter.doc", b"{\\rtf1 ...}"));
    passes(&judged(
        "page.html",
        b"<html><script>console.log('hello')</script>",
    ));
    passes(&judged("report.xml.gz", b"\x1f\x8b\x08\0"));
}

#[test]
fn answers_are_configured() {
    let config = "also = ['one']\nexcept = ['js']\non = { program = 3.5, disguise = 'ignore' }";
    let report = judged_with(config, "notes.one", b"x");
    assert_eq!(report.symbols(), ["ATTACHED_PROGRAM"]);
    assert_eq!(report.note("reasons"), Some("ATTACHED_PROGRAM=3.5"));
    passes(&judged_with(config, "app.js", b"x"));
    let deferred = judged_with("on = { program = 'defer' }", "a.exe", b"x");
    assert!(
        deferred
            .verdict()
            .to_string()
            .starts_with("defer 451 4.7.1 ")
    );
}

#[test]
fn a_bad_setting_is_named_with_its_cure() {
    let problem = |config: &str| configure::<Attachments>(config).err().unwrap();
    assert!(problem("also = ['.exe']").contains("without a dot"));
    assert!(
        problem("on = { macros = 'no' }")
            .contains("write \"reject\", \"defer\", \"ignore\" or points")
    );
    assert!(problem("on = { macro = 1 }").contains("unknown field `macro`"));
}

#[test]
fn a_message_that_cannot_be_examined_is_deferred() {
    let report = Transaction::new()
        .deny("parts")
        .message("Subject: hi\n\nhello\n")
        .run::<Attachments>("");
    assert_eq!(
        report.verdict().to_string(),
        "defer 4.7.1 the attachments could not be examined"
    );
}

#[test]
fn a_message_beyond_the_limits_of_the_host_is_refused() {
    let report = Transaction::new()
        .too_many_parts()
        .message("Subject: hi\n\nhello\n")
        .run::<Attachments>("");
    refused(&report, "its parts cannot be told apart");
}
