//! What may never leave the proxy, whatever a filter says: looked at from outside.

use crate::Reply;

/// Octets of a reply line, its CRLF not counted (RFC 5321 section 4.5.3.1.5).
const LINE: usize = 510;
/// Octets of all lines together: 400 of the filter, and codes, enhanced codes and the session's id.
const ALL: usize = 1500;

/// One code on all lines, printable ASCII only, short, and no line that carries another code.
pub fn is_safe(reply: &Reply) -> Result<(), String> {
    let code = format!("{}", reply.code);
    let mut all = 0;
    for line in &reply.lines {
        all += line.len();
        if !line.starts_with(&code) {
            return Err(format!("a line without the code {code}"));
        }
        if line.len() > LINE {
            return Err(format!("a line of {} octets", line.len()));
        }
        if !line.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
            return Err("an octet that is not printable".to_owned());
        }
    }
    match all > ALL {
        true => Err(format!("a reply of {all} octets")),
        false => Ok(()),
    }
}

/// The names of the fields in this header section; none of them may be broken.
pub fn field_names(section: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(section).map_err(|_| "octets over 127 in a new field")?;
    if text
        .replace("\r\n", "")
        .contains(|c: char| c.is_control() && c != '\t')
    {
        return Err("a control character in a new field".to_owned());
    }
    let mut names = Vec::new();
    for line in text.split_terminator("\r\n") {
        if line.len() > 998 {
            return Err(format!("a line of {} octets", line.len()));
        }
        if line.starts_with([' ', '\t']) && !names.is_empty() {
            continue;
        }
        let (name, _) = line
            .split_once(':')
            .ok_or_else(|| format!("{line:?} is no field"))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(lines: &[&str]) -> Reply {
        Reply {
            code: 550,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn what_forges_a_reply_is_seen() {
        assert!(is_safe(&reply(&["550-5.7.1 no", "550 5.7.1 never"])).is_ok());
        assert!(is_safe(&reply(&["550-5.7.1 no", "250 2.0.0 ok"])).is_err());
        assert!(is_safe(&reply(&["550 5.7.1 no\u{1b}[2J"])).is_err());
        assert!(is_safe(&reply(&["550 n\u{f6}"])).is_err());
        assert!(is_safe(&reply(&[&format!("550 {}", "x".repeat(600))])).is_err());
    }

    #[test]
    fn fields_are_read_strictly() {
        assert_eq!(field_names(b"A: 1\r\n 2\r\nB: 3\r\n").unwrap(), ["A", "B"]);
        assert!(field_names(b"A: 1\nB: 2\r\n").is_err());
        assert!(field_names(b"A: 1\r\n\r\nB: 2\r\n").is_err());
        assert!(field_names(b"A: \0\r\n").is_err());
    }
}
