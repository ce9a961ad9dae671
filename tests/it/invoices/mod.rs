//! Tests invoices from the close of a month to the last payment.

pub mod bills;
pub mod documents;
pub mod month_close;
pub mod month_close_load;
pub mod quarter;
pub mod reads;
pub mod reminders;
