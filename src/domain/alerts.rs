//! Alerts: sentences that warn a client in time.

use super::businesses::BusinessSid;
use super::money::Money;
use super::names::named_enum;
use super::sid::AlertSid;
use super::time::Timestamp;

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
    /// Its place in the list of all alerts, rising with time.
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

/// An alert, and whose it is.
#[derive(Clone, Debug)]
pub struct OwnedAlert {
    pub business_sid: BusinessSid,
    pub alert: BillingAlert,
}
