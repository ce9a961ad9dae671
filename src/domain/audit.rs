//! Defines the records of the audit log: who did what to which object, with its state before and after.
//! A write that is its own record, such as a ledger entry, needs none.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::values::named_enum::named_enum;
use crate::domain::values::text::Reason;
use crate::domain::values::time::Timestamp;

/// The author of a request, and the request itself.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The SID of a user or a key; `anonymous` in open mode, `seed` for the sample data, `command-line` for a
    /// subcommand.
    pub name: Arc<str>,
    pub request_id: Option<Arc<str>>,
    /// The address the request came from.
    pub address: Option<String>,
}

impl Actor {
    /// The server itself, loading the sample data.
    pub fn seed() -> Actor {
        Actor { name: "seed".into(), request_id: None, address: None }
    }

    /// The server itself, requesting a recharge.
    pub fn auto_recharge() -> Actor {
        Actor { name: "auto-recharge".into(), request_id: None, address: None }
    }

    /// The server itself, running scheduled jobs.
    pub fn scheduled() -> Actor {
        Actor { name: "scheduled".into(), request_id: None, address: None }
    }

    /// A payment provider that confirms a payment.
    pub fn provider(name: &str, request_id: Option<Arc<str>>, address: Option<String>) -> Actor {
        Actor { name: format!("provider:{name}").into(), request_id, address }
    }

    /// The operator, running a subcommand on the server's own machine.
    pub fn command_line() -> Actor {
        Actor { name: "command-line".into(), request_id: None, address: None }
    }
}

/// The author of a change made by hand, with the reason they give, if any.
#[derive(Clone, Debug)]
pub struct Author {
    pub actor: Actor,
    pub reason: Option<Reason>,
}

named_enum! {
    pub enum AuditAction {
        BusinessCreated = "business.created",
        BusinessChanged = "business.changed",
        BusinessDeleted = "business.deleted",
        WalletCreated = "wallet.created",
        WalletChanged = "wallet.changed",
        RechargeChanged = "wallet.recharge_changed",
        SuspenseAssigned = "suspense.assigned",
        SuspenseDismissed = "suspense.dismissed",
        AlertChanged = "alert.changed",
        AlertsRead = "alerts.read",
        ThresholdsChanged = "wallet.thresholds_changed",
        PlanCreated = "plan.created",
        PlanChanged = "plan.changed",
        PlanDeleted = "plan.deleted",
        RateCardCreated = "rate_card.created",
        RateCardChanged = "rate_card.changed",
        RateCardDeleted = "rate_card.deleted",
        InvoiceDrafted = "invoice.drafted",
        MonthClosed = "month.closed",
        InvoiceCancelled = "invoice.cancelled",
        CreditNoteWritten = "credit_note.written",
        KeyCreated = "key.created",
        KeyRotated = "key.rotated",
        KeyRevoked = "key.revoked",
        UserCreated = "user.created",
        UserChanged = "user.changed",
        UserDeleted = "user.deleted",
        PasswordSet = "user.password_set",
        PasswordChanged = "user.password_changed",
        LoggedIn = "user.logged_in",
        LoggedOut = "user.logged_out",
        WebhookCreated = "webhook.created",
        WebhookChanged = "webhook.changed",
        WebhookDeleted = "webhook.deleted",
        WebhookSecretRotated = "webhook.secret_rotated",
        WebhookDisabled = "webhook.disabled",
        WebhookTested = "webhook.tested",
        WebhookResent = "webhook.resent",
    }
}

/// A record of the audit log.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Rises with each record.
    pub id: i64,
    pub actor: String,
    pub action: AuditAction,
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
    pub address: Option<String>,
    pub created_at: Timestamp,
}

/// An action on one object, to be recorded.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub action: AuditAction,
    /// The SID of the object.
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub reason: Option<String>,
}

impl AuditEntry {
    pub fn created(action: AuditAction, subject: impl Into<String>, after: Value) -> AuditEntry {
        AuditEntry { action, subject: subject.into(), before: None, after: Some(after), reason: None }
    }

    pub fn changed(action: AuditAction, subject: impl Into<String>, before: Value, after: Value) -> AuditEntry {
        AuditEntry { action, subject: subject.into(), before: Some(before), after: Some(after), reason: None }
    }

    pub fn deleted(action: AuditAction, subject: impl Into<String>, before: Value) -> AuditEntry {
        AuditEntry { action, subject: subject.into(), before: Some(before), after: None, reason: None }
    }

    /// The same entry with the author's reason.
    #[must_use]
    pub fn by(self, author: &Author) -> AuditEntry {
        AuditEntry { reason: author.reason.as_ref().map(|reason| reason.as_str().to_owned()), ..self }
    }
}
