//! Shapes wallets.

use serde::Serialize;
use utoipa::ToSchema;

use super::transactions::TransactionBody;
use crate::domain::prices::plans::PlanType;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid, WalletSid};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::Wallet;
use crate::error::Error;
use crate::services::payments::Requested;

/// The wallet of a business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wallet)]
pub struct WalletBody {
    sid: WalletSid,
    business_sid: BusinessSid,
    /// The sum of all ledger entries; negative while credit is used.
    balance: Money,
    currency: Currency,
    /// How far below zero a debit may take the balance.
    credit_limit: Money,
    /// Balance plus credit limit: a debit passes if it costs no more than this.
    available: Money,
    auto_recharge_enabled: bool,
    auto_recharge_amount: Money,
    auto_recharge_threshold: Money,
    /// How the wallet's plan is paid.
    #[serde(rename = "type")]
    plan_type: PlanType,
    /// Left out if the wallet has no plan; the rate card's own price applies then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing_plan_sid: Option<PlanSid>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Only in the answer to a top-up through a payment provider: the payment that is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_transaction: Option<TransactionBody>,
}

impl TryFrom<Wallet> for WalletBody {
    type Error = Error;

    fn try_from(wallet: Wallet) -> Result<WalletBody, Error> {
        Ok(WalletBody {
            available: wallet.available()?,
            sid: wallet.sid,
            business_sid: wallet.business_sid,
            balance: wallet.balance,
            currency: wallet.currency,
            credit_limit: wallet.credit_limit,
            auto_recharge_enabled: wallet.auto_recharge.enabled,
            auto_recharge_amount: wallet.auto_recharge.amount,
            auto_recharge_threshold: wallet.auto_recharge.threshold,
            plan_type: wallet.plan_type,
            pricing_plan_sid: wallet.pricing_plan,
            created_at: wallet.created_at,
            updated_at: wallet.updated_at,
            pending_transaction: None,
        })
    }
}

impl TryFrom<Requested> for WalletBody {
    type Error = Error;

    fn try_from(Requested { wallet, payment }: Requested) -> Result<WalletBody, Error> {
        Ok(WalletBody { pending_transaction: Some(payment.into()), ..wallet.try_into()? })
    }
}
