//! What is wrong with what somebody gave: all of it at once, field by field.

/// A field that is not what it must be. As a text it is a sentence: `name must be …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct FieldError {
    /// As the caller names it: `name`, `volume_tiers[1].min_messages`.
    pub field: String,
    /// What goes on after the field's name: `must be …`.
    pub problem: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), problem: problem.into() }
    }
}

/// The problem of a text that is none of that type, as an error of its field.
pub fn check_text<T: std::str::FromStr<Err = String>>(field: &str, text: &str) -> Option<FieldError> {
    text.parse::<T>().err().map(|problem| FieldError::new(field, problem))
}

/// What is wrong with a message: which field, and a sentence on what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidMessage {
    pub field: &'static str,
    pub problem: String,
}
