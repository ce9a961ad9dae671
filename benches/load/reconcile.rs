//! Reconciles everything a run left behind, with the server's own command.

use std::process::Stdio;

use tokio::process::Command;

use crate::Result;
use crate::server;

/// Runs `reconcile` on a database without a server; returns its last line.
///
/// # Errors
/// Where it finds a difference.
pub(crate) async fn reconcile(database_url: &str) -> Result<String> {
    let started = std::time::Instant::now();
    if !program().args(["help", "reconcile"]).output().await?.status.success() {
        return Ok("not reconciled: this program has no such command".to_owned());
    }
    let output = program().arg("reconcile").args(server::arguments(database_url)).output().await?;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("reconcile ended with {}:\n{told}", output.status).into());
    }
    let last = told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no word").to_owned();
    Ok(format!("reconciled in {:.1} s: {last}", started.elapsed().as_secs_f64()))
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wecall-billing"));
    command.env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null()).kill_on_drop(true);
    command
}
