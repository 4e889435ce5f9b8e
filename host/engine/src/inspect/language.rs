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

/// Words that interpreters leave in data. Their own marks say what they are written in, not what runs on them.
const INTERPRETERS: [(&str, &str); 4] = [
    ("PYTHONHOME", "Python"),
    ("componentize_qjs", "JavaScript"),
    ("QuickJS", "JavaScript"),
    ("SpiderMonkey", "JavaScript"),
];

/// Words that the library of a language leaves in data, where marks were stripped.
const LIBRARIES: [(&str, &str); 1] = [("/rustc/", "Rust")];

/// The language, from the (field, value) marks of the `producers` sections and from traces in the octets.
pub fn guess(producers: &[(String, String)], wasm: &[u8]) -> Option<String> {
    by_tool(producers)
        .or_else(|| by_traces(&INTERPRETERS, wasm))
        .or_else(|| by_language(producers))
        .or_else(|| by_traces(&LIBRARIES, wasm))
}

fn by_traces(traces: &[(&str, &str)], wasm: &[u8]) -> Option<String> {
    let left = |trace: &str| memchr::memmem::find(wasm, trace.as_bytes()).is_some();
    let found = traces.iter().find(|(trace, _)| left(trace));
    found.map(|(_, language)| (*language).to_owned())
}

fn by_tool(producers: &[(String, String)]) -> Option<String> {
    let tool = producers.iter().find_map(|(_, value)| {
        let value = value.to_ascii_lowercase();
        TOOLS.iter().find(|(tool, _)| value.contains(tool))
    });
    tool.map(|(_, language)| (*language).to_owned())
}

fn by_language(producers: &[(String, String)]) -> Option<String> {
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
    fn what_an_interpreter_is_written_in_is_not_what_it_runs() {
        let marks = marks(&[("language", "Rust"), ("processed-by", "rustc")]);
        let wasm = b"\0asm .. /rustc/59807616/library .. componentize_qjs_runtime.wasm:memory_base";
        assert_eq!(guess(&marks, wasm).as_deref(), Some("JavaScript"));
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
