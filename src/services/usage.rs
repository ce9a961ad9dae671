//! Usage of a business.

use super::Billing;
use crate::domain::access::Tenant;
use crate::domain::time::DayRange;
use crate::domain::usage::{LONGEST_PERIOD_DAYS, Period, PeriodRequest, UsageMetrics, summarise};
use crate::error::{Error, Result};
use crate::storage;

/// What a business sent over a period, and what it cost. One that nobody has used yet sent nothing.
///
/// # Errors
/// [`Error::Invalid`] where a custom period runs backwards or over a year, and those of the database.
pub async fn show(billing: &Billing, tenant: Tenant, request: PeriodRequest) -> Result<UsageMetrics> {
    let business = tenant.into_sid();
    let today = billing.today();
    let (period, days) = resolve(billing, request)?;
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let Some(stored) = storage::wallet::find(&mut conn, &business).await? else {
        return Ok(summarise(business, billing.terms.currency, (period, days), today, Vec::new(), &[])?);
    };
    let operators = storage::usage::by_operator(&mut conn, stored.id, days).await?;
    let active_days = storage::usage::by_day(&mut conn, stored.id, days).await?;
    Ok(summarise(business, stored.wallet.currency, (period, days), today, operators, &active_days)?)
}

fn resolve(billing: &Billing, request: PeriodRequest) -> Result<(Period, DayRange)> {
    match request {
        PeriodRequest::Named(period) => period
            .days(billing.today())
            .map(|days| (period, days))
            .ok_or_else(|| Error::invalid("start", "is needed with period=CUSTOM, and `end` too")),
        PeriodRequest::Custom { start, end } => {
            let days = billing.calendar.range(start, end).map_err(|problem| Error::invalid("end", problem))?;
            if days.len_days() > LONGEST_PERIOD_DAYS {
                let problem = format!("must leave a period of at most {LONGEST_PERIOD_DAYS} days");
                return Err(Error::invalid("end", problem));
            }
            Ok((Period::Custom, days))
        }
    }
}
