//! Rules about the text of a Rust file.

use crate::File;

/// Past this a file wants its own room.
const LINES_AT_MOST: usize = 500;

/// Where `unsafe` may stand: the ABI and its macros, the loader, and plugins that misbehave on purpose.
const UNSAFE_PLACES: [&str; 4] =
    ["plugin-api/src/abi", "plugin-api/src/export", "host/loader/src/", "tests/plugins/"];

/// A sentence for each file that is too long.
#[must_use]
pub fn too_long(files: &[File]) -> Vec<String> {
    let lengths = files.iter().map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LINES_AT_MOST);
    long.map(|(file, lines)| {
        format!("{} has {lines} lines; {LINES_AT_MOST} is the limit: split it", file.path)
    })
    .collect()
}

/// A sentence for each `unsafe` outside the places that are known for it.
#[must_use]
pub fn unsafe_outside(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place))) {
        for (number, line) in code_lines(&file.text) {
            if words(&line).any(|word| word == "unsafe") {
                found
                    .push(format!("{}:{number} says unsafe; see CONVENTIONS.md for where it may", file.path));
            }
        }
    }
    found
}

/// A sentence for each test that is ignored without saying why.
#[must_use]
pub fn ignored_without_reason(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in code_lines(&file.text) {
            if line.replace(' ', "").contains("#[ignore]") {
                found.push(format!("{}:{number} ignores a test without a reason", file.path));
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// The lines of a file with their numbers, without what is in comments and in string literals.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut code = String::new();
    let mut number = 1;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if character == '\n' {
            lines.push((number, std::mem::take(&mut code)));
            number += 1;
        }
        let skipped = skip(rest);
        if skipped > 0 {
            let (gone, after) = rest.split_at(skipped);
            number += gone.matches('\n').count();
            code.push(' ');
            rest = after;
        } else {
            if character != '\n' {
                code.push(character);
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    lines.push((number, code));
    lines
}

/// How many bytes at the start of this text are a comment or a literal; 0 when it starts with code.
fn skip(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with("'\\") || text.starts_with("'\"'") {
        return quoted(text, '\'');
    }
    raw(text)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#` and so on.
fn raw(text: &str) -> usize {
    let Some(after) = text.strip_prefix('r') else { return 0 };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let opening = 1 + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[opening..].find(&end).map_or(text.len(), |at| opening + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn unsafe_is_found_in_code_and_nowhere_else() {
        let text = "// unsafe here\nlet a = \"unsafe \\\" unsafe\";\nlet b = r#\"unsafe \"x\" \"#;\n/* unsafe\n */\n\
                    let c = '\"'; // unsafe\n#![deny(unsafe_code)]\nlet d = unsafe { x };";
        assert_eq!(
            unsafe_outside(&[file("host/lb/src/lib.rs", text)]),
            ["host/lb/src/lib.rs:8 says unsafe; see CONVENTIONS.md for where it may"]
        );
    }

    #[test]
    fn unsafe_is_let_be_where_it_belongs() {
        let files =
            [file("plugin-api/src/abi/control.rs", "unsafe {}"), file("host/loader/src/a.rs", "unsafe {}")];
        assert!(unsafe_outside(&files).is_empty());
    }

    #[test]
    fn an_ignored_test_must_say_why() {
        let text = "#[ignore = \"needs a kernel of its own\"]\nfn a() {}\n#[ignore]\nfn b() {}\n// #[ignore]";
        assert_eq!(ignored_without_reason(&[file("a.rs", text)]), ["a.rs:3 ignores a test without a reason"]);
    }

    #[test]
    fn a_file_of_five_hundred_lines_is_the_longest() {
        assert!(too_long(&[file("a.rs", &"x\n".repeat(500))]).is_empty());
        assert_eq!(too_long(&[file("a.rs", &"x\n".repeat(501))]).len(), 1);
    }
}
