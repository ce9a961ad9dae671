//! Checks the settings: the same in the code, in `.env.example`, in `--help` and in the README.

use std::collections::BTreeMap;

use clap::CommandFactory;
use wecall_billing::config::Cli;

/// Every environment variable and its default.
fn in_the_code() -> BTreeMap<String, Option<String>> {
    let command = Cli::command();
    let setting = |arg: &clap::Arg| {
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        Some((arg.get_env()?.to_string_lossy().into_owned(), default))
    };
    command.get_arguments().filter_map(setting).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_example_file_is_the_code() {
    let text = read(".env.example");
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else { continue };
        if name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') {
            assert!(listed.insert(name.to_owned(), value.to_owned()).is_none(), "{name} stands there twice");
        }
    }
    let code = in_the_code();
    assert!(code.len() > 15);
    assert_eq!(listed.keys().collect::<Vec<_>>(), code.keys().collect::<Vec<_>>());
    for (name, default) in code {
        if let Some(default) = default {
            assert_eq!(listed[&name], default, "{name}");
        }
    }
}

#[test]
fn the_readme_lists_every_setting() {
    let readme = read("README.md");
    for name in in_the_code().keys() {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}

/// Every setting can be given as a flag and as a variable, and says what it does.
#[test]
fn every_setting_is_explained() {
    for arg in Cli::command().get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
        let name = arg.get_id();
        assert!(arg.get_help().is_some_and(|help| help.to_string().len() > 10), "{name} has no help");
        assert!(arg.get_env().is_some() && arg.get_long().is_some(), "{name} lacks a flag or a variable");
        let flag = arg.get_long().unwrap().replace('-', "_").to_uppercase();
        assert_eq!(arg.get_env().unwrap().to_string_lossy(), flag);
    }
}
