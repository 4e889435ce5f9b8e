//! Public keys, RFC 6376 section 3.6.1 and RFC 8463, and what they verify.

use rsa::pkcs1v15::{Signature as RsaSignature, VerifyingKey};
use rsa::{BoxedUint, PublicKey};
use sha2::Sha256;

use super::Outcome;
use super::signature::{Algorithm, Tags, from_base64};

/// Bits of an RSA key: shorter ones are broken, longer ones cost too much (RFC 8301 section 3.2).
const LEAST_BITS: usize = 1024;
/// See [`LEAST_BITS`].
const MOST_BITS: usize = 4096;

/// A key of a domain.
#[derive(Debug)]
pub struct Key {
    kind: Algorithm,
    octets: Vec<u8>,
    /// not for subdomains
    pub is_strict: bool,
    pub purpose: Purpose,
}

/// `t=y`: is it meant yet?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Signing,
    Testing,
}

impl Key {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let tags = Tags::parse(text).ok_or("the key is no list of tags")?;
        match tags.value("v") {
            Some("DKIM1") if tags.first() == Some("v") => {}
            Some(_) => return Err("the key is of another version"),
            None => {}
        }
        let lists = |tag: &str, default: &'static str, word: &str| {
            let value = tags.value(tag).unwrap_or(default);
            value
                .split(':')
                .any(|it| it.trim() == word || it.trim() == "*")
        };
        if !lists("h", "*", "sha256") || !lists("s", "*", "email") {
            return Err("the key is for something else");
        }
        let kind = match tags.value("k").unwrap_or("rsa") {
            "rsa" => Algorithm::Rsa,
            "ed25519" => Algorithm::Ed25519,
            _ => return Err("the key is of an unknown kind"),
        };
        let octets = match tags.value("p") {
            None => return Err("the key is missing"),
            Some("") => return Err("the key was revoked"),
            Some(text) => from_base64(text).ok_or("the key is not base64")?,
        };
        let flags = tags.value("t").unwrap_or_default();
        let purpose = match flags.split(':').any(|flag| flag.trim() == "y") {
            true => Purpose::Testing,
            false => Purpose::Signing,
        };
        Ok(Self {
            kind,
            octets,
            is_strict: lists("t", "", "s") && tags.value("t").is_some(),
            purpose,
        })
    }

    /// Is this the signature of that hash?
    pub fn verifies(
        &self,
        by: Algorithm,
        hash: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Outcome> {
        if by != self.kind {
            return Err(Outcome::PermError("the key is of another kind"));
        }
        match self.kind {
            Algorithm::Rsa => self.rsa(hash, signature),
            Algorithm::Ed25519 => self.ed25519(hash, signature),
        }
    }

    fn rsa(&self, hash: &[u8; 32], signature: &[u8]) -> Result<(), Outcome> {
        let damaged = Outcome::PermError("the key is damaged");
        let (modulus, exponent) = der::key(&self.octets).ok_or(damaged.clone())?;
        let bits = bits(modulus);
        if bits < LEAST_BITS {
            return Err(Outcome::Policy("the key is too short"));
        }
        if bits > MOST_BITS || exponent.len() > 8 {
            return Err(Outcome::PermError("the key is too long"));
        }
        let number = |octets: &[u8]| BoxedUint::from_be_slice_vartime(octets);
        let key = PublicKey::new(number(modulus), number(exponent)).map_err(|_| damaged)?;
        let wrong = Outcome::Fail("the signature is not of these fields");
        let signature = RsaSignature::try_from(signature).map_err(|_| wrong.clone())?;
        let key = VerifyingKey::<Sha256>::new(key);
        rsa::signature::hazmat::PrehashVerifier::verify_prehash(&key, hash, &signature)
            .map_err(|_| wrong)
    }

    fn ed25519(&self, hash: &[u8; 32], signature: &[u8]) -> Result<(), Outcome> {
        let octets = self.octets.as_slice().try_into();
        let key = octets
            .ok()
            .and_then(|octets| ed25519_dalek::VerifyingKey::from_bytes(octets).ok());
        let key = key.ok_or(Outcome::PermError("the key is damaged"))?;
        let signature = ed25519_dalek::Signature::from_slice(signature);
        let verified = signature.and_then(|signature| key.verify_strict(hash, &signature));
        verified.map_err(|_| Outcome::Fail("the signature is not of these fields"))
    }
}

fn bits(number: &[u8]) -> usize {
    let zeros = number
        .first()
        .map_or(0, |octet| octet.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(zeros)
}

/// As much of DER as a public RSA key has: RSAPublicKey (RFC 8017), bare or within SubjectPublicKeyInfo (RFC 5280).
mod der {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const BITS: u8 = 0x03;

    /// Modulus and exponent, without zeros before them.
    pub fn key(octets: &[u8]) -> Option<(&[u8], &[u8])> {
        let (inside, _) = element(SEQUENCE, octets)?;
        let inside = match element(SEQUENCE, inside) {
            Some((_, rest)) => {
                let (bits, _) = element(BITS, rest)?;
                element(SEQUENCE, bits.strip_prefix(&[0])?)?.0
            }
            None => inside,
        };
        let (modulus, rest) = element(INTEGER, inside)?;
        let (exponent, _) = element(INTEGER, rest)?;
        let modulus = unpadded(modulus)?;
        Some((modulus, unpadded(exponent)?))
    }

    /// The contents of the first element, if it is of that kind, and what is behind it.
    fn element(kind: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
        let (tag, rest) = octets.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(*length), rest),
            0x81..=0x82 => {
                let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                let length = octets
                    .iter()
                    .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
                (length, rest)
            }
            _ => return None,
        };
        let (inside, rest) = rest.split_at_checked(length)?;
        (*tag == kind).then_some((inside, rest))
    }

    fn unpadded(number: &[u8]) -> Option<&[u8]> {
        let zeros = number.iter().take_while(|octet| **octet == 0).count();
        Some(&number[zeros..]).filter(|number| !number.is_empty())
    }
}
