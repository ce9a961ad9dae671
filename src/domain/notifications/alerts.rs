//! Defines alerts, the warnings shown to a business, with their types, severities and event bodies.

use serde::Serialize;

use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{AlertSid, BusinessSid};
use crate::domain::values::time::Timestamp;

named_enum! {
    pub enum AlertType {
        LowBalance = "LOW_BALANCE",
        BillingAlert = "BILLING_ALERT",
        OverageWarning = "OVERAGE_WARNING",
        PaymentDue = "PAYMENT_DUE",
    }
}

named_enum! {
    pub enum AlertSeverity { Info = "INFO", Warning = "WARNING", Critical = "CRITICAL" }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingAlert {
    pub sid: AlertSid,
    /// The position in the list of all alerts, rising with time.
    pub position: i64,
    pub alert_type: AlertType,
    pub severity: AlertSeverity,
    /// A sentence shown to the client.
    pub message: String,
    pub threshold: Money,
    pub current_value: Money,
    pub is_read: bool,
    pub created_at: Timestamp,
}

/// An alert to be raised, before it has an id and a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertDraft {
    pub alert_type: AlertType,
    pub severity: AlertSeverity,
    pub message: String,
    pub threshold: Money,
    pub current_value: Money,
}

/// Counts of unread alerts by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadAlerts {
    pub critical: i64,
    pub warning: i64,
    pub info: i64,
}

/// An alert and the business it belongs to.
#[derive(Clone, Debug)]
pub struct OwnedAlert {
    pub business_sid: BusinessSid,
    pub alert: BillingAlert,
}

/// An alert in the body of an event.
#[derive(Clone, Debug, Serialize)]
pub struct AlertEventBody {
    sid: AlertSid,
    business_sid: BusinessSid,
    #[serde(rename = "type")]
    alert_type: AlertType,
    severity: AlertSeverity,
    message: String,
    threshold: Money,
    current_value: Money,
    currency: Currency,
    created_at: Timestamp,
}

impl AlertDraft {
    pub fn event_body(
        &self,
        sid: AlertSid,
        business_sid: BusinessSid,
        currency: Currency,
        now: Timestamp,
    ) -> AlertEventBody {
        AlertEventBody {
            sid,
            business_sid,
            alert_type: self.alert_type,
            severity: self.severity,
            message: self.message.clone(),
            threshold: self.threshold,
            current_value: self.current_value,
            currency,
            created_at: now,
        }
    }
}
