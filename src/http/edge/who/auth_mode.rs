//! Says whether the server asks callers who they are.

/// Whether callers must say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// Anyone who reaches the server may read everything, charge and top up.
    Open,
    /// Everything but probes, documentation and the login asks for credentials.
    Required,
}

impl std::fmt::Display for AuthMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AuthMode::Open => "open",
            AuthMode::Required => "required",
        })
    }
}
