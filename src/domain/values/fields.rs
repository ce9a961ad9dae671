//! Names invalid input field by field, so that all of it is reported at once.

/// An invalid field. Displayed, it is a sentence: `name must be …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct FieldError {
    /// The field's name as the caller writes it: `name`, `volume_tiers[1].min_messages`.
    pub field: String,
    /// The rest of the sentence after the field's name: `must be …`.
    pub problem: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), problem: problem.into() }
    }
}

/// The error of a field, where its text is no valid `T`.
pub fn check_text<T: std::str::FromStr<Err = String>>(field: &str, text: &str) -> Option<FieldError> {
    text.parse::<T>().err().map(|problem| FieldError::new(field, problem))
}
