//! Shows the usage of a business over a period.

use crate::domain::access::rights::Tenant;
use crate::domain::charges::usage::{PeriodRequest, UsageMetrics, summarise};
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// Shows the usage and cost of a business over a period; zero for a business that was never used.
///
/// # Errors
/// [`crate::error::Error::Invalid`] where a custom period runs backwards or over a year, and those of the database.
pub async fn show(billing: &Billing, tenant: Tenant, request: PeriodRequest) -> Result<UsageMetrics> {
    let business = tenant.into_sid();
    let today = billing.today();
    let (period, days) = request.resolve(today, billing.rules.calendar)?;
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let Some(stored) = storage::wallets::find(&mut conn, &business).await? else {
        return Ok(summarise(business, billing.rules.terms.currency, (period, days), today, Vec::new(), &[])?);
    };
    let operators = storage::charges::usage::by_operator(&mut conn, stored.id, days).await?;
    let active_days = storage::charges::usage::by_day(&mut conn, stored.id, days).await?;
    Ok(summarise(business, stored.wallet.currency, (period, days), today, operators, &active_days)?)
}
