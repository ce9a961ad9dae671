//! Shapes alerts.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::notifications::alerts::{AlertSeverity, AlertType, BillingAlert, OwnedAlert};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{AlertSid, BusinessSid};
use crate::domain::values::time::Timestamp;

/// An alert for a business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingAlert)]
pub struct AlertBody {
    sid: AlertSid,
    business_sid: BusinessSid,
    #[serde(rename = "type")]
    alert_type: AlertType,
    severity: AlertSeverity,
    /// A sentence to show to people.
    message: String,
    /// The threshold that was crossed.
    threshold: Money,
    /// The value that raised the alert.
    current_value: Money,
    is_read: bool,
    created_at: Timestamp,
}

impl AlertBody {
    pub fn new(business_sid: BusinessSid, alert: BillingAlert) -> AlertBody {
        AlertBody {
            sid: alert.sid,
            business_sid,
            alert_type: alert.alert_type,
            severity: alert.severity,
            message: alert.message,
            threshold: alert.threshold,
            current_value: alert.current_value,
            is_read: alert.is_read,
            created_at: alert.created_at,
        }
    }
}

impl From<OwnedAlert> for AlertBody {
    fn from(row: OwnedAlert) -> AlertBody {
        AlertBody::new(row.business_sid, row.alert)
    }
}
