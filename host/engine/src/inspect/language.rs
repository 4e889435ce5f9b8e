//! A guess at the language that a component was written in.

/// Tools that tell more than the language list: interpreters are written in C and Rust themselves.
const TOOLS: [(&str, &str); 6] = [
    ("componentize-py", "Python"),
    ("componentizejs", "JavaScript"),
    ("componentize-js", "JavaScript"),
    ("qjs", "JavaScript"),
    ("tinygo", "Go"),
    ("componentize-go", "Go"),
];

/// Words that the libraries of a language leave in data, where marks were stripped; interpreters first.
const TRACES: [(&str, &str); 4] = [
    ("PYTHONHOME", "Python"),
    ("QuickJS", "JavaScript"),
    ("SpiderMonkey", "JavaScript"),
    ("/rustc/", "Rust"),
];

/// The language, from the (field, value) marks of the `producers` sections, or else from traces in the octets.
pub fn guess(producers: &[(String, String)], wasm: &[u8]) -> Option<String> {
    by_marks(producers).or_else(|| by_traces(wasm))
}

fn by_traces(wasm: &[u8]) -> Option<String> {
    let left = |trace: &str| memchr::memmem::find(wasm, trace.as_bytes()).is_some();
    let found = TRACES.iter().find(|(trace, _)| left(trace));
    found.map(|(_, language)| (*language).to_owned())
}

fn by_marks(producers: &[(String, String)]) -> Option<String> {
    let tool = producers.iter().find_map(|(_, value)| {
        let value = value.to_ascii_lowercase();
        TOOLS.iter().find(|(tool, _)| value.contains(tool))
    });
    if let Some((_, language)) = tool {
        return Some((*language).to_owned());
    }
    let languages = || {
        let named = producers.iter().filter(|(field, _)| field == "language");
        named.map(|(_, value)| crate::text::printable(crate::text::clip(value, 40)))
    };
    languages()
        .find(|language| language == "Rust")
        .or_else(|| languages().next())
}

#[cfg(test)]
mod tests {
    use super::guess;

    fn marks(marks: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = marks
            .iter()
            .map(|(f, v)| ((*f).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn rust_is_found_among_the_c_of_its_library() {
        let marks = marks(&[
            ("language", "C11"),
            ("language", "Rust"),
            ("processed-by", "rustc"),
        ]);
        assert_eq!(guess(&marks, b"").as_deref(), Some("Rust"));
    }

    #[test]
    fn an_interpreter_is_known_by_its_tool() {
        let marks = marks(&[("language", "Rust"), ("processed-by", "componentize-py")]);
        assert_eq!(guess(&marks, b"").as_deref(), Some("Python"));
    }

    #[test]
    fn a_stripped_component_is_known_by_its_library() {
        let wasm = b"\0asm .. /rustc/59807616/library/std/src/rt.rs ..";
        assert_eq!(guess(&[], wasm).as_deref(), Some("Rust"));
    }

    #[test]
    fn without_marks_and_traces_nothing_is_guessed() {
        assert_eq!(guess(&[], b"\0asm"), None);
    }
}
