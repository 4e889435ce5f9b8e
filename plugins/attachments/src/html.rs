//! Pages that carry a file inside and drop it when they are opened (HTML smuggling), and pictures with scripts.

/// Octets of a page that are read.
pub const MOST: u32 = 512 * 1024;

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

/// A page with script that both decodes and drops.
pub fn smuggles(page: &str) -> bool {
    let page = page.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| page.contains(word));
    page.contains("<script") && has(&DECODERS) && has(&DROPPERS)
}

/// A picture in SVG that runs when a browser opens it.
pub fn is_active_picture(picture: &str) -> bool {
    let picture = picture.to_lowercase();
    picture.contains("<svg") && (picture.contains("<script") || picture.contains("<foreignobject"))
}
