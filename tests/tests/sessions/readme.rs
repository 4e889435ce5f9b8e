//! The dialogues in a bundled filter's README are those of its transcripts: in `bundled` or `services`, `NAME.smtp` or
//! `NAME-*.smtp`.

use std::path::Path;

use lazaret_tests::glob;

/// Is each dialogue in the README a part of one of the filter's transcripts, and is there one?
pub fn check(readme: &Path, transcripts: &[&Path]) -> Result<(), String> {
    let text = std::fs::read_to_string(readme).map_err(|error| error.to_string())?;
    let read = |path: &&Path| std::fs::read_to_string(path).expect("a readable transcript");
    let played: Vec<String> = transcripts.iter().map(read).collect();
    let dialogues: Vec<Vec<&str>> = text.split("```\n").map(|it| it.lines().collect()).collect();
    let dialogues: Vec<_> = dialogues.iter().filter(|it| is_dialogue(it)).collect();
    if dialogues.is_empty() {
        return Err(format!("{}: no dialogue", readme.display()));
    }
    let unplayed = |it: &&&Vec<&str>| !played.iter().any(|text| is_part(it, text));
    match dialogues.iter().find(unplayed) {
        None => Ok(()),
        Some(lines) => Err(format!("no transcript has {lines:#?}")),
    }
}

fn is_dialogue(lines: &[&str]) -> bool {
    let said = |line: &&str| matches!(line.get(..3), Some("C: " | "S: " | "P: "));
    lines.iter().any(said)
}

fn is_part(dialogue: &[&str], transcript: &str) -> bool {
    let lines = transcript.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    (0..lines.len()).any(|from| goes_on(dialogue, &lines[from..]))
}

/// A line such as `C: ...` stands for any number of lines of that side.
fn goes_on(dialogue: &[&str], lines: &[&str]) -> bool {
    let Some((said, rest)) = dialogue.split_first() else {
        return true;
    };
    if let Some(who) = said.strip_suffix(" ...") {
        let of_side = lines.iter().take_while(|line| line.starts_with(who));
        return (0..=of_side.count()).any(|skipped| goes_on(rest, &lines[skipped..]));
    }
    let next = lines.split_first();
    next.is_some_and(|(line, later)| is_said(said, line) && goes_on(rest, later))
}

/// Where the transcript has `(*)`, the README shows an id as we make them.
fn is_said(said: &str, line: &str) -> bool {
    let id = said.rsplit('(').next().unwrap_or_default();
    let id = id.trim_end_matches(')').split('-').next();
    let is_id =
        id.is_some_and(|id| id.len() == 10 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    glob::fits(line, said) && (is_id || !line.ends_with("(*)"))
}
