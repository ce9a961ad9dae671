//! Defines the errors of services and storage. `http::edge` turns them into answers.

use crate::domain::access::key_rules::KeyRefusal;
use crate::domain::access::user_rules::UserRefusal;
use crate::domain::businesses::hierarchy::HierarchyRefusal;
use crate::domain::charges::Refusal;
use crate::domain::invoices::credit_notes::CreditNoteError;
use crate::domain::invoices::dues::BillRefusal;
use crate::domain::notifications::webhooks::WebhookRefusal;
use crate::domain::prices::plan_terms::PlanRefusal;
use crate::domain::prices::rate_card_terms::RateCardRefusal;
use crate::domain::values::csv::RefusedLine;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::MoneyError;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the input is invalid: its name, and a sentence on what it must be.
    #[error("{0}")]
    Invalid(#[from] FieldError),

    /// Several fields of the input are invalid.
    #[error("{}", sentence(.0))]
    InvalidFields(Vec<FieldError>),

    /// A CSV that cannot be read at all; a sentence says why.
    #[error("{0}")]
    MalformedCsv(String),

    /// Lines of a CSV are invalid; nothing was imported.
    #[error("{} cannot be taken, so nothing was stored. {}", counted(.0.len()), .0.first().map(line_sentence).unwrap_or_default())]
    LinesRefused(Vec<RefusedLine>),

    /// The object does not exist, or is not the caller's: nobody can tell which.
    #[error("{sentence}")]
    NotFound { code: &'static str, sentence: &'static str },

    /// It exists already: the field that must be unique, and a sentence on what to do.
    #[error("{0}")]
    Exists(FieldError),

    /// The caller has no right to do this, to any object.
    #[error("{0}")]
    Forbidden(String),

    /// The object has changed since the caller saw it (`If-Match`).
    #[error("It was changed since you read it: read it again, and decide again.")]
    Changed,

    /// The request is valid, but cannot be done in the present state.
    #[error("{sentence}")]
    Impossible { code: &'static str, sentence: String },

    /// E-mail address or password is wrong, or the user is disabled: nobody is told which.
    #[error("E-mail address or password is wrong.")]
    WrongLogin,

    /// Too many logins failed; for how many seconds none is tried.
    #[error("Too many logins failed. Try again in {} minutes.", seconds.div_ceil(60))]
    LoginLocked { seconds: u64 },

    /// An `Idempotency-Key` was used again with another input.
    #[error("This Idempotency-Key was used before with a different request; send a new key for a new request.")]
    IdempotencyConflict,

    #[error("{0}")]
    Refused(#[from] Refusal),

    /// A sum left the range of money. Only data that breaks the ledger's own limits can do this.
    #[error("a sum {0}")]
    Money(#[from] MoneyError),

    /// The database cannot be reached or is too busy; the same request may succeed a moment later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),

    /// The connection broke while a transaction was committed: whether it was is unknown.
    #[error("the outcome of a commit is unknown: {0}")]
    OutcomeUnknown(#[source] sqlx::Error),

    #[error("database error: {0}")]
    Database(#[source] sqlx::Error),

    /// A row is no longer as it was read, or another transaction was in conflict: the decision must be made again.
    #[error("another transaction came in between")]
    Stale,

    /// More requests wait than the server takes, or it is about to stop; nothing was done.
    #[error("{0}")]
    Busy(&'static str),

    /// A stored value that the domain cannot read.
    #[error("the database holds a value that cannot be: {0}")]
    Corrupt(String),

    /// A payment provider gave no answer, or none that can be understood; ask it again.
    #[error("{0}")]
    Provider(String),

    /// An operator must correct something about the deployment; the sentence says how.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    pub fn invalid(field: &'static str, problem: impl Into<String>) -> Error {
        FieldError::new(field, problem).into()
    }

    pub fn exists(field: &'static str, problem: impl Into<String>) -> Error {
        Error::Exists(FieldError::new(field, problem))
    }

    /// The same error for another caller who waits for it.
    pub fn again(&self) -> Error {
        let cause = || sqlx::Error::Protocol(self.to_string());
        match self {
            Error::Unavailable(_) | Error::Stale => Error::Unavailable(cause()),
            Error::OutcomeUnknown(_) => Error::OutcomeUnknown(cause()),
            Error::Busy(sentence) => Error::Busy(sentence),
            _ => Error::Database(cause()),
        }
    }

    /// For callers who may know of every business.
    pub fn no_such_business() -> Error {
        Error::NotFound { code: "business_not_found", sentence: "There is no such business." }
    }

    /// No database connection was free in time.
    pub fn no_connection() -> Error {
        Error::Unavailable(sqlx::Error::PoolTimedOut)
    }
}

/// The first of the errors, as a sentence.
fn sentence(errors: &[FieldError]) -> String {
    errors.first().map(FieldError::to_string).unwrap_or_default()
}

fn line_sentence(refused: &RefusedLine) -> String {
    format!("Line {}: {}.", refused.line, refused.sentences().next().unwrap_or_default())
}

fn counted(lines: usize) -> String {
    if lines == 1 { "One line".to_owned() } else { format!("{lines} lines") }
}

impl From<KeyRefusal> for Error {
    fn from(refusal: KeyRefusal) -> Error {
        match refusal {
            KeyRefusal::RoleAbove { .. } => Error::Forbidden(refusal.to_string()),
            KeyRefusal::Field(error) => error.into(),
            KeyRefusal::TooMany => Error::Impossible { code: "too_many_keys", sentence: refusal.to_string() },
            KeyRefusal::Revoked => Error::Impossible { code: "key_revoked", sentence: refusal.to_string() },
        }
    }
}

impl From<BillRefusal> for Error {
    fn from(refusal: BillRefusal) -> Error {
        Error::Impossible { code: refusal.code(), sentence: refusal.to_string() }
    }
}

impl From<CreditNoteError> for Error {
    fn from(error: CreditNoteError) -> Error {
        match error {
            CreditNoteError::Invalid(error) => error.into(),
            CreditNoteError::Refused(refusal) => refusal.into(),
            CreditNoteError::Money(error) => error.into(),
        }
    }
}

impl From<PlanRefusal> for Error {
    fn from(refusal: PlanRefusal) -> Error {
        Error::Impossible { code: refusal.code(), sentence: refusal.to_string() }
    }
}

impl From<WebhookRefusal> for Error {
    fn from(refusal: WebhookRefusal) -> Error {
        Error::Impossible { code: refusal.code(), sentence: refusal.to_string() }
    }
}

impl From<RateCardRefusal> for Error {
    fn from(refusal: RateCardRefusal) -> Error {
        Error::Impossible { code: refusal.code(), sentence: refusal.to_string() }
    }
}

impl From<HierarchyRefusal> for Error {
    fn from(refusal: HierarchyRefusal) -> Error {
        match refusal.field() {
            Some(field) => Error::invalid(field, refusal.to_string()),
            None => Error::Impossible { code: refusal.code(), sentence: refusal.to_string() },
        }
    }
}

impl From<UserRefusal> for Error {
    fn from(refusal: UserRefusal) -> Error {
        match refusal.field() {
            Some(field) => Error::invalid(field, refusal.to_string()),
            None => Error::Impossible { code: refusal.code(), sentence: refusal.to_string() },
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        if is_conflict(&error) {
            Error::Stale
        } else if is_passing(&error) {
            Error::Unavailable(error)
        } else {
            Error::Database(error)
        }
    }
}

/// The error of a failed COMMIT. Where the database itself reports a rollback, nothing happened; after any other
/// failure the outcome is unknown.
pub fn commit_failed(error: sqlx::Error) -> Error {
    let is_rolled_back = match &error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_rollback_code(&code)),
        _ => false,
    };
    if is_rolled_back { error.into() } else { Error::OutcomeUnknown(error) }
}

/// SQLite: busy, locked, a constraint. Postgres: a constraint (class 23), serialisation failure, deadlock.
fn is_rollback_code(code: &str) -> bool {
    match code.parse::<i32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 19),
        _ => code.starts_with("23") || matches!(code, "40001" | "40P01"),
    }
}

/// Whether Postgres gave up this transaction in favour of another: a serialisation failure, a deadlock, or a referenced
/// row that was deleted meanwhile. (SQLite has one writer, so none of these happens.)
fn is_conflict(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| matches!(&*code, "40001" | "40P01" | "23503"))
}

/// Whether the same statement may succeed a moment later.
pub fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing_code(&code)),
        _ => false,
    }
}

fn is_passing_code(code: &str) -> bool {
    match code.parse::<i32>() {
        // SQLite's extended result codes hold the primary one in their low byte: 5 is SQLITE_BUSY, 6 SQLITE_LOCKED.
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6),
        // Postgres: classes 08 (connection), 53 (resources), 57 (shutdown, a statement that took too long), and
        // serialisation failure, deadlock, a lock that was not had in time.
        _ => {
            matches!(code, "40001" | "40P01" | "55P03")
                || ["08", "53", "57"].iter().any(|class| code.starts_with(class))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{is_passing_code, is_rollback_code};

    #[rstest]
    #[case("5", true)] // SQLITE_BUSY
    #[case("517", true)] // SQLITE_BUSY_SNAPSHOT
    #[case("6", true)] // SQLITE_LOCKED
    #[case("787", false)] // SQLITE_CONSTRAINT_FOREIGNKEY
    #[case("08006", true)] // connection_failure
    #[case("53300", true)] // too_many_connections
    #[case("57P01", true)] // admin_shutdown
    #[case("40P01", true)] // deadlock_detected
    #[case("55P03", true)] // lock_not_available
    #[case("57014", true)] // query_canceled
    #[case("40003", false)] // statement_completion_unknown
    #[case("23505", false)] // unique_violation
    fn passing_errors(#[case] code: &str, #[case] passing: bool) {
        assert_eq!(is_passing_code(code), passing);
    }

    #[rstest]
    #[case("5", true)] // SQLITE_BUSY
    #[case("787", true)] // SQLITE_CONSTRAINT_FOREIGNKEY
    #[case("10", false)] // SQLITE_IOERR: the write-ahead log may hold it or not
    #[case("23505", true)] // unique_violation
    #[case("40001", true)] // serialization_failure
    #[case("40003", false)] // statement_completion_unknown
    #[case("57P01", false)] // admin_shutdown
    fn rollbacks(#[case] code: &str, #[case] rolled_back: bool) {
        assert_eq!(is_rollback_code(code), rolled_back);
    }
}
