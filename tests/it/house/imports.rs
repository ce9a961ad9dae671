//! Finds the paths that Rust sources name, in `use` trees and in full, and the files they lead to.
//!
//! It reads tokens, not the grammar: comments and texts are passed over, names that a `use` brings in are followed, and
//! so is a bare path that begins with a module beside it. Macros are read like all else.

use std::collections::BTreeMap;

/// A file of `src`: where it stands below it, such as `domain/values/money.rs`, and what is in it.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// A source that was read.
#[derive(Debug)]
pub struct File {
    pub path: String,
    pub words: Vec<Word>,
    pub named: Vec<Named>,
}

/// A name or a key word of the code.
#[derive(Debug)]
pub struct Word {
    pub line: usize,
    pub text: String,
}

/// A path that a file names.
#[derive(Debug)]
pub struct Named {
    pub line: usize,
    /// From `crate` on, or from the name of another crate.
    pub path: Vec<String>,
    /// The file whose item it names; none for other crates, and none where a `use` only brings in a module's name, for
    /// then the paths that begin with that name say what is used.
    pub file: Option<String>,
    /// In a `#[cfg(test)]` item, or in a file that is one.
    pub in_tests: bool,
}

/// The files of each module, by its path.
type Modules = BTreeMap<Vec<String>, String>;

#[derive(Clone, Debug)]
struct Token {
    line: usize,
    text: String,
    in_tests: bool,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// A leaf of a `use` tree.
struct Import {
    line: usize,
    /// The inline module it stands in.
    module: Vec<String>,
    path: Vec<String>,
    /// What the file calls it.
    name: String,
    in_tests: bool,
}

pub fn read(sources: &[Source]) -> Vec<File> {
    let modules: Modules = sources.iter().map(|source| (module_of(&source.path), source.path.clone())).collect();
    let mut read: Vec<(&Source, Vec<Token>)> = sources.iter().map(|source| (source, lex(&source.text))).collect();
    let mut test_modules = Vec::new();
    for (source, tokens) in &mut read {
        mark_tests(tokens);
        for declared in tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";") {
            if declared[0].in_tests {
                let mut module = module_of(&source.path);
                module.push(declared[1].text.clone());
                test_modules.push(module);
            }
        }
    }
    for (source, tokens) in &mut read {
        let module = module_of(&source.path);
        if test_modules.iter().any(|tests| module.starts_with(tests)) {
            tokens.iter_mut().for_each(|token| token.in_tests = true);
        }
    }
    read.into_iter()
        .map(|(source, tokens)| File {
            path: source.path.clone(),
            named: named(&module_of(&source.path), &tokens, &modules),
            words: tokens
                .into_iter()
                .filter(Token::is_word)
                .map(|token| Word { line: token.line, text: token.text })
                .collect(),
        })
        .collect()
}

/// `domain/values/mod.rs` is `crate::domain::values`, and so is `domain/values.rs`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let below = path.split('/').filter(|part| !["lib", "mod"].contains(part));
    std::iter::once("crate").chain(below).map(str::to_owned).collect()
}

/// Words, `::`, `..` and single signs. A text is one sign, unless it is a path that an attribute gives as text.
fn lex(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut tokens: Vec<Token> = Vec::new();
    let (mut index, mut line) = (0, 1);
    // How deep in the brackets of an attribute.
    let mut brackets = 0_usize;
    while index < letters.len() {
        let start = index;
        let mut found = None;
        match at(index) {
            letter if letter.is_whitespace() => index += 1,
            '/' if at(index + 1) == '/' => {
                while index < letters.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => (depth, index) = (depth + 1, index + 2),
                        ('*', '/') => (depth, index) = (depth - 1, index + 2),
                        _ => index += 1,
                    }
                    if depth == 0 || index >= letters.len() {
                        break;
                    }
                }
            }
            'r' if at(index + 1) == '"' || (at(index + 1) == '#' && ['"', '#'].contains(&at(index + 2))) => {
                let hashes = letters[index + 1..].iter().take_while(|letter| **letter == '#').count();
                index += 2 + hashes;
                let ends = |index: usize| at(index) == '"' && (1..=hashes).all(|hash| at(index + hash) == '#');
                while index < letters.len() && !ends(index) {
                    index += 1;
                }
                index += 1 + hashes;
                found = Some("\"".to_owned());
            }
            '"' => {
                index += 1;
                while index < letters.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
                let inside: String = letters[start + 1..(index - 1).min(letters.len())].iter().collect();
                let is_path = inside.contains("::") && inside.chars().all(|letter| is_word(letter) || letter == ':');
                if is_path && brackets > 0 {
                    tokens.extend(lex(&inside).into_iter().map(|token| Token { line, ..token }));
                } else {
                    found = Some("\"".to_owned());
                }
            }
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < letters.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            // A lifetime.
            '\'' => {
                index += 1;
                while is_word(at(index)) {
                    index += 1;
                }
            }
            letter if is_word(letter) => {
                if letter == 'r' && at(index + 1) == '#' {
                    index += 2;
                }
                let begin = index;
                while is_word(at(index)) {
                    index += 1;
                }
                found = Some(letters[begin..index].iter().collect());
            }
            sign @ (':' | '.') if at(index + 1) == sign => {
                index += 2;
                found = Some(format!("{sign}{sign}"));
            }
            sign => {
                index += 1;
                let begins = tokens.last().is_some_and(|before| ["#", "!"].contains(&before.text.as_str()));
                match sign {
                    '[' if brackets > 0 || begins => brackets += 1,
                    ']' => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
                found = Some(sign.to_string());
            }
        }
        tokens.extend(found.map(|text| Token { line, text, in_tests: false }));
        line += letters[start..index.min(letters.len())].iter().filter(|letter| **letter == '\n').count();
    }
    tokens
}

/// Marks each item that begins with `#[cfg(test)]`, with all that is in it.
fn mark_tests(tokens: &mut [Token]) {
    const TEST_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    for start in 0..tokens.len() {
        let begins = tokens[start..].iter().zip(TEST_ONLY).filter(|(token, text)| token.text == *text).count();
        if begins < TEST_ONLY.len() || tokens[start].in_tests {
            continue;
        }
        let (mut depth, mut after_attributes) = (0_usize, false);
        for token in &mut tokens[start..] {
            token.in_tests = true;
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let closed = token.text == "}" || (token.text == ";" && after_attributes);
            if depth == 0 && closed {
                break;
            }
            after_attributes |= depth == 0 && token.is_word();
        }
    }
}

fn named(module: &[String], tokens: &[Token], modules: &Modules) -> Vec<Named> {
    let mut imports = Vec::new();
    let mut paths: Vec<(usize, Vec<String>, Vec<String>, bool)> = Vec::new();
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut depth = 0_usize;
    let mut index = 0;
    while index < tokens.len() {
        let token = &tokens[index];
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let before = |back: usize| index.checked_sub(back).map_or("", text);
        let inside = || module.iter().cloned().chain(inline.iter().map(|(_, name)| name.clone())).collect::<Vec<_>>();
        match token.text.as_str() {
            "{" => {
                if before(2) == "mod" {
                    inline.push((depth, before(1).to_owned()));
                }
                depth += 1;
                index += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|(opened, _)| *opened < depth);
                index += 1;
            }
            // Says who may see an item, not what it uses.
            "pub" if text(index + 1) == "(" => {
                index += tokens[index..].iter().take_while(|token| token.text != ")").count();
            }
            "use" if text(index + 1) != "<" => {
                let end = index + tokens[index..].iter().take_while(|token| token.text != ";").count();
                let mut tree = &tokens[index + 1..end];
                let inside = inside();
                use_tree(&mut tree, &[], &mut |line, path, name| {
                    let module = inside.clone();
                    imports.push(Import { line, module, path, name, in_tests: token.in_tests });
                });
                index = end;
            }
            _ if token.is_word() && before(1) != "::" && before(1) != "." => {
                let mut path = vec![token.text.clone()];
                while text(index + 1) == "::" && tokens.get(index + 2).is_some_and(Token::is_word) {
                    path.push(tokens[index + 2].text.clone());
                    index += 2;
                }
                if path.len() > 1 {
                    paths.push((token.line, inside(), path, token.in_tests));
                }
                index += 1;
            }
            _ => index += 1,
        }
    }
    // What tests bring in under a name gives way to what the code does.
    imports.sort_by_key(|import| !import.in_tests);
    let aliases: BTreeMap<&str, &Import> = imports.iter().map(|import| (import.name.as_str(), import)).collect();
    let imported = imports.iter().map(|import| {
        let path = resolve(&import.module, &import.path, &aliases, modules, 0);
        // A module's name alone uses nothing yet.
        let file = if modules.contains_key(&path) { None } else { file_of(&path, modules) };
        Named { line: import.line, path, file, in_tests: import.in_tests }
    });
    let in_full = paths.iter().map(|(line, module, path, in_tests)| {
        let path = resolve(module, path, &aliases, modules, 0);
        Named { line: *line, file: file_of(&path, modules), path, in_tests: *in_tests }
    });
    imported.chain(in_full).collect()
}

/// Hands each leaf of a `use` tree over: its line, its path and the name it gets.
fn use_tree(tree: &mut &[Token], above: &[String], found: &mut impl FnMut(usize, Vec<String>, String)) {
    let mut path = above.to_vec();
    while let Some((token, rest)) = tree.split_first() {
        match token.text.as_str() {
            "{" => {
                *tree = rest;
                while tree.first().is_some_and(|token| token.text != "}") {
                    use_tree(tree, &path, found);
                    if tree.first().is_some_and(|token| token.text == ",") {
                        *tree = &tree[1..];
                    }
                }
                *tree = tree.get(1..).unwrap_or_default();
                return;
            }
            "," | "}" => break,
            "as" => {
                let name = rest.first().map(|token| token.text.clone()).unwrap_or_default();
                *tree = rest.get(1..).unwrap_or_default();
                return found(token.line, path, name);
            }
            "::" => *tree = rest,
            // `{self}` is the module itself; a path may begin with it too.
            "self" if !above.is_empty() => *tree = rest,
            text => {
                path.push(text.to_owned());
                *tree = rest;
                let ends = tree.first().is_none_or(|next| next.text == "," || next.text == "}");
                if ends {
                    return found(token.line, path.clone(), text.to_owned());
                }
            }
        }
    }
    if let Some(name) = path.last().cloned() {
        let line = tree.first().map_or(0, |token| token.line);
        found(line, path, name);
    }
}

/// The path from `crate` on, or as it stands where it leads to another crate.
fn resolve(
    module: &[String],
    path: &[String],
    aliases: &BTreeMap<&str, &Import>,
    modules: &Modules,
    followed: usize,
) -> Vec<String> {
    let Some((first, rest)) = path.split_first() else { return Vec::new() };
    let child = [module, std::slice::from_ref(first)].concat();
    match first.as_str() {
        "crate" => path.to_vec(),
        "self" => [module, rest].concat(),
        "super" => {
            let parent = &module[..module.len().saturating_sub(1)];
            let leads_on = rest.first().is_some_and(|next| next == "super");
            if leads_on { resolve(parent, rest, aliases, modules, followed) } else { [parent, rest].concat() }
        }
        _ if modules.contains_key(&child) => [module, path].concat(),
        name => match aliases.get(name) {
            // A name may be brought in from another that was brought in, never from itself.
            Some(import) if followed < 5 && import.path != path => {
                let begun = resolve(&import.module, &import.path, aliases, modules, followed + 1);
                [&begun, rest].concat()
            }
            _ => path.to_vec(),
        },
    }
}

fn file_of(path: &[String], modules: &Modules) -> Option<String> {
    (1..=path.len()).rev().find_map(|length| modules.get(&path[..length])).cloned()
}
