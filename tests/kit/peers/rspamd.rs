//! rspamd with its test patterns (GTUBE) and one rule of our own, which tells in a field what it was told.

use std::net::SocketAddr;
use std::process::Command;

use super::Daemon;

/// The pattern that stands for each action; an `X` first means reject. In halves so that no file of ours is spam.
const GTUBE: [&str; 2] = [
    "JS*C4JDBQADN1.NSBN3*2IDNEN*",
    "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
];

/// The test pattern for an action: `X` reject, `Y` add header, `Z` rewrite subject.
pub fn gtube(action: char) -> String {
    format!("{action}{}", GTUBE.concat())
}

/// `X-Facts` has what the request said; `X-Old` of the sender is to go. Two subjects stand for two more actions.
const RULE: &str = r#"
rspamd_config.OWN_RULE = {
  score = 0.5,
  callback = function(task)
    local addresses = {}
    for _, it in ipairs(task:get_recipients('smtp') or {}) do table.insert(addresses, it.addr) end
    local from = (task:get_from('smtp') or {})[1]
    local said = function(name) return tostring(task:get_request_header(name) or '-') end
    local facts = table.concat({
      'ip', tostring(task:get_from_ip()), 'helo', tostring(task:get_helo()), 'from', from and from.addr or '-',
      'rcpt', table.concat(addresses, ','), 'tls', said('TLS-Version'), said('TLS-Cipher'),
      'mta', said('MTA-Name'), said('MTA-Tag'), 'queue', tostring(task:get_queue_id())
    }, ' ')
    task:set_milter_reply({ add_headers = { ['X-Facts'] = facts }, remove_headers = { ['X-Old'] = 0 } })
    local subject = task:get_subject() or ''
    if subject == 'later' then task:set_pre_result('soft reject', 'come again') end
    if subject == 'seven' then return true, 14.0, 'seven' end
    return true
  end
}
"#;

/// Starts rspamd's normal worker there. None if it is not installed.
pub fn rspamd(address: SocketAddr) -> Option<Daemon> {
    let program = super::find("rspamd")?;
    let dir = tempfile::Builder::new().prefix("lazaret-rspamd-").tempdir();
    let dir = dir.expect("a temporary directory");
    let place = dir.path().display();
    let config = format!(
        r#"
options {{
  pidfile = "{place}/pid"; tempdir = "{place}"; control_socket = "{place}/control"; cache_file = "{place}/cache";
  history_file = "{place}/history"; hs_cache_dir = "{place}"; url_tld = "{place}/tld"; filters = "";
  explicit_modules = []; enable_test_patterns = true; dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "warning"; }}
actions {{ reject = 15; add_header = 6; greylist = 4; rewrite_subject = 8; }}
group "own" {{ }}
lang_detection {{ languages = ["en"]; }}
lua = "{place}/own.lua";
worker "normal" {{ bind_socket = "{address}"; count = 1; task_timeout = 4s; }}
"#
    );
    for (name, text) in [
        ("rspamd.conf", config.as_str()),
        ("own.lua", RULE),
        ("tld", "com\norg\n"),
    ] {
        std::fs::write(dir.path().join(name), text).expect("a writable directory");
    }
    let mut command = Command::new(program);
    // Without the last it wants to be the user that Debian made for it.
    command
        .args(["--no-fork", "--insecure", "--config"])
        .arg(dir.path().join("rspamd.conf"))
        .arg(format!("--var=DBDIR={place}"));
    Some(Daemon::start(address, dir, command))
}
