//! Limits how deep JSON may be nested, without parsing it.

/// The deepest nesting that is accepted. A batch of messages with metadata needs five levels; deeper bodies are made to
/// exhaust the parser's stack.
pub const DEPTH_MAX: usize = 32;

/// Whether arrays and objects are nested deeper than [`DEPTH_MAX`]. One pass that skips strings; invalid JSON is for
/// the parser to refuse.
pub fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn nested(open: &str, levels: usize, close: &str) -> String {
        format!("{}{}", open.repeat(levels), close.repeat(levels))
    }

    #[rstest]
    #[case(nested("[", DEPTH_MAX, "]"), false)]
    #[case(nested("[", DEPTH_MAX + 1, "]"), true)]
    #[case(nested(r#"{"a":"#, DEPTH_MAX, "}"), false)]
    #[case(nested(r#"{"a":"#, DEPTH_MAX + 1, "}"), true)]
    #[case("[".repeat(DEPTH_MAX + 1), true)] // whether or not it is ever closed
    #[case("[],".repeat(1_000), false)] // beside each other
    #[case(format!(r#"["{}"]"#, "[".repeat(100)), false)] // in a string
    #[case(format!(r#"["\"{}"]"#, "[".repeat(100)), false)] // after an escaped quote
    #[case(format!(r#"["\\"{}"#, ",[".repeat(DEPTH_MAX)), true)] // after an escaped backslash the string ends
    #[case(format!(r#"["\\\"{}"]"#, "[".repeat(100)), false)]
    #[case(format!(r#"["\u005b{}"]"#, "{".repeat(100)), false)]
    #[case(format!("{}{}", "]".repeat(100), "[".repeat(DEPTH_MAX)), false)] // more closed than opened
    #[case(String::new(), false)]
    fn depths(#[case] json: String, #[case] too_deep: bool) {
        assert_eq!(is_too_deep(json.as_bytes()), too_deep);
    }

    fn depth(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            serde_json::Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        /// As deep as a parser finds it, whatever the strings hold.
        #[test]
        fn agrees_with_a_parser(texts in prop::collection::vec(r#"[\[\]{}"\\a]{0,6}"#, 1..6), levels in 0_usize..40) {
            let leaf = serde_json::json!(texts);
            let value = (0..levels).fold(leaf, |value, level| match level % 2 {
                0 => serde_json::json!([texts[0], value]),
                _ => serde_json::json!({ texts[0].clone(): value }),
            });
            prop_assert_eq!(is_too_deep(value.to_string().as_bytes()), depth(&value) > DEPTH_MAX);
        }
    }
}
