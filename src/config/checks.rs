//! Checks the rules that concern more than one setting.

use super::payment_providers::{ProviderSetting, SimulatedPayments};
use super::settings::Settings;
use crate::http::edge::who::auth_mode::AuthMode;

impl Settings {
    /// Checks the rules that concern more than one setting.
    ///
    /// # Errors
    /// A sentence that names the settings and the ways out.
    pub fn validate(&self) -> Result<(), String> {
        let address = self.address();
        if self.auth == AuthMode::Required && self.secret_key.is_none() {
            let hint = "such as `openssl rand -base64 32` prints; keep it, but not beside the database";
            return Err(format!("AUTH=required needs a SECRET_KEY of at least 32 random characters, {hint}"));
        }
        if self.auth == AuthMode::Open && !self.auth_open_anywhere && !address.ip().is_loopback() {
            return Err(format!(
                "AUTH=open asks nobody for credentials, so it does not listen on {address}, which others may reach: set \
                 AUTH=required, or AUTH_OPEN_ANYWHERE=true if everybody who reaches it may read everything, charge and top up"
            ));
        }
        self.validate_payments()
    }

    fn validate_payments(&self) -> Result<(), String> {
        let mut names = Vec::new();
        for provider in self.providers() {
            let name = provider.name()?;
            if names.contains(&name) {
                return Err(format!("PAYMENT_PROVIDERS names {name} twice"));
            }
            let has_secret = self.payment_secrets.iter().filter(|secret| secret.name == name).count();
            match provider {
                ProviderSetting::Simulated if self.simulates_too_much() => {
                    return Err(
                        "PAYMENT_PROVIDERS has `simulated`, whose money is nobody's, and AUTH=required asks for \
                                credentials: name your providers, or set PAYMENTS_SIMULATED=allow if this is no server \
                                for real money"
                            .to_owned(),
                    );
                }
                ProviderSetting::Adapter { .. } if has_secret == 0 => {
                    return Err(format!(
                        "PAYMENT_SECRETS has none for {name}, which PAYMENT_PROVIDERS names: add {name}=…"
                    ));
                }
                _ if has_secret > 1 => return Err(format!("PAYMENT_SECRETS names {name} twice")),
                _ => {}
            }
            names.push(name);
        }
        if let Some(stray) = self.payment_secrets.iter().find(|secret| !names.contains(&secret.name)) {
            return Err(format!("PAYMENT_SECRETS has one for {}, which PAYMENT_PROVIDERS does not name", stray.name));
        }
        match &self.payment_default_provider {
            Some(name) if !names.contains(name) => {
                Err(format!("PAYMENT_DEFAULT_PROVIDER is {name}, which PAYMENT_PROVIDERS does not name"))
            }
            _ => Ok(()),
        }
    }

    fn simulates_too_much(&self) -> bool {
        self.auth == AuthMode::Required && self.payments_simulated == SimulatedPayments::Refuse
    }
}
