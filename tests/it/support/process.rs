//! Runs the real program as a process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program, with nothing of this process's environment that could be a setting.
pub fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wecall-billing"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home);
    command
}

/// Runs the program to its end.
pub fn run(home: &Path, args: &[&str]) -> Output {
    program(home).args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server process; killed when dropped.
pub struct ServerProcess {
    pub child: Child,
    pub base_url: String,
    /// The lines it greets with.
    pub greeting: Vec<String>,
}

impl ServerProcess {
    /// Starts `serve`, its log going to the file `log`, and waits until it says where it listens.
    pub fn start(home: &Path, args: &[&str]) -> ServerProcess {
        let mut child = program(home)
            .args(["serve", "--seed", "--bind", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(File::create(home.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting: Vec<String> = lines.by_ref().take(5).map(Result::unwrap).collect();
        let Some(first) = greeting.first() else {
            panic!("the server did not start: {}", std::fs::read_to_string(home.join("log")).unwrap());
        };
        let base_url = first.split(' ').next_back().unwrap().to_owned();
        ServerProcess { child, base_url, greeting }
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
