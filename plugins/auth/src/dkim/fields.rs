//! Header fields and their canonical forms, RFC 6376 section 3.4.

use super::Canonical;

/// A field as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// everything behind the colon, without the last CRLF
    pub value: Vec<u8>,
}

impl Field {
    /// Compared without case; a name may have blanks before its colon.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.trim_end().eq_ignore_ascii_case(name)
    }

    /// Without its CRLF.
    pub fn canonical(&self, form: Canonical) -> Vec<u8> {
        match form {
            Canonical::Simple => [self.name.as_bytes(), b":", &self.value].concat(),
            Canonical::Relaxed => {
                let name = self.name.trim_end().to_ascii_lowercase();
                [name.as_bytes(), b":", &relaxed(&self.value)].concat()
            }
        }
    }

    /// A signature's own field with an empty `b=`.
    pub fn without_signature(&self) -> Field {
        let mut tags: Vec<Vec<u8>> = Vec::new();
        for tag in self.value.split(|octet| *octet == b';') {
            let name = tag.split(|octet| *octet == b'=').next().unwrap_or_default();
            let is_it = name.trim_ascii() == b"b" && name.len() < tag.len();
            tags.push(match is_it {
                true => tag[..=name.len()].to_vec(),
                false => tag.to_vec(),
            });
        }
        Field {
            name: self.name.clone(),
            value: tags.join(&b';'),
        }
    }
}

/// Section 3.4.2: unfolded, each run of blanks is one, none at the ends.
fn relaxed(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for octet in value.iter().filter(|octet| !matches!(octet, b'\r' | b'\n')) {
        match octet {
            b' ' | b'\t' if matches!(out.last(), None | Some(b' ')) => {}
            b' ' | b'\t' => out.push(b' '),
            octet => out.push(*octet),
        }
    }
    if out.last() == Some(&b' ') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Field {
        Field {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        }
    }

    /// Section 3.4.5 of RFC 6376.
    #[test]
    fn example_of_the_standard() {
        let (a, b) = (field("A", " X"), field("B ", " Y\t\r\n\tZ  "));
        assert_eq!(a.canonical(Canonical::Relaxed), b"a:X");
        assert_eq!(b.canonical(Canonical::Relaxed), b"b:Y Z");
        assert_eq!(a.canonical(Canonical::Simple), b"A: X");
        assert_eq!(b.canonical(Canonical::Simple), b"B : Y\t\r\n\tZ  ");
    }

    #[test]
    fn only_the_value_of_b_is_taken_out() {
        let signature = field("DKIM-Signature", " v=1; bh=abc=; b=xyz\r\n\t=; d=b.org");
        let without = signature.without_signature();
        assert_eq!(without.value, b" v=1; bh=abc=; b=; d=b.org");
        let last = field("DKIM-Signature", " d=b.org;\r\n b = xyz").without_signature();
        assert_eq!(last.value, b" d=b.org;\r\n b =");
    }
}
