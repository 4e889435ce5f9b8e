//! From the JSON text of `[config]` to a filter's settings.

use serde::de::DeserializeOwned;

/// Reads the settings. An empty table also fits a `Config` of `()`.
///
/// # Errors
/// What is wrong, in words for the operator.
pub fn read<C: DeserializeOwned>(config: &str) -> Result<C, String> {
    if is_empty(config)
        && let Ok(unit) = serde_json::from_str("null")
    {
        return Ok(unit);
    }
    let config = if config.trim().is_empty() {
        "{}"
    } else {
        config
    };
    let mut json = serde_json::Deserializer::from_str(config);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let what = without_place(error.inner());
        let key = error.path().to_string();
        match key.as_str() {
            "." => format!("[config]: {what}"),
            key if what.contains(&format!("`{key}`")) => format!("[config]: {what}"),
            key => format!("[config]: `{key}`: {what}"),
        }
    })
}

/// For a filter without settings: anything in `[config]` is a mistake.
///
/// # Errors
/// When there is a `[config]` with keys in it.
pub fn no_settings(config: &str) -> Result<(), String> {
    if is_empty(config) {
        return Ok(());
    }
    Err("[config]: this filter has no settings; remove the table".into())
}

fn is_empty(config: &str) -> bool {
    let bare: String = config.split_ascii_whitespace().collect();
    matches!(bare.as_str(), "" | "{}" | "null")
}

/// Line and column are those of the JSON, which the operator never sees.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(place) => text[..place].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        limit: u32,
    }

    #[test]
    fn reads_settings() {
        assert_eq!(read(r#"{"limit": 3}"#), Ok(Settings { limit: 3 }));
        assert_eq!(read::<()>("{}"), Ok(()));
        assert_eq!(read::<()>(""), Ok(()));
        assert_eq!(no_settings(" { } "), Ok(()));
    }

    #[test]
    fn says_what_is_wrong_without_a_place_in_the_json() {
        let read = |text| read::<Settings>(text).unwrap_err();
        assert_eq!(
            read(r#"{"limits": 3}"#),
            "[config]: unknown field `limits`, expected `limit`"
        );
        assert_eq!(read("{}"), "[config]: missing field `limit`");
        assert_eq!(
            read(r#"{"limit": "3"}"#),
            "[config]: `limit`: invalid type: string \"3\", expected u32"
        );
        assert!(no_settings(r#"{"limits": 3}"#).is_err());
    }
}
