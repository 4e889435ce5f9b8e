//! Pages that carry a file inside and drop it when they are opened (HTML smuggling), and pictures with scripts.

/// Octets that are read at the start of a page, and as many at its end.
pub const MOST_AT_EACH_END: u32 = 2 * 1024 * 1024;

/// Ways to make octets out of text, and to hand octets to the reader as a file.
const DECODERS: [&str; 5] = [
    "atob(",
    "fromcharcode",
    "uint8array",
    "unescape(",
    "data:application/",
];
const DROPPERS: [&str; 5] = [
    "createobjecturl",
    "mssaveoropenblob",
    "mssaveblob",
    ".download",
    "new blob(",
];

/// A page in lower case; without NULs its words read the same in UTF-8 and in UTF-16.
pub fn words(mut page: Vec<u8>) -> String {
    page.retain(|b| *b != 0);
    page.make_ascii_lowercase();
    String::from_utf8(page)
        .unwrap_or_else(|fault| String::from_utf8_lossy(fault.as_bytes()).into_owned())
}

/// A page, in lower case, with script that both decodes and drops.
pub fn smuggles(page: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| page.contains(word));
    page.contains("<script") && has(&DECODERS) && has(&DROPPERS)
}

/// A picture in SVG, in lower case, that runs when a browser opens it.
pub fn is_active_picture(picture: &str) -> bool {
    picture.contains("<svg") && (picture.contains("<script") || picture.contains("<foreignobject"))
}
