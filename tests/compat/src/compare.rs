//! Whether an answer is the expected one, and in what it differs.

use serde_json::Value;

use crate::client::Answer;
use crate::pattern::{self, Kept};
use crate::scenario::Expectation;
use crate::variables::Variables;

const JSON: &str = "application/json; charset=utf-8";
/// How much of a text behind its first difference is shown.
const SHOWN_BYTES: usize = 600;

/// What the answer kept, or a line for each difference.
pub(crate) fn compare(
    expected: &Expectation,
    answer: &Answer,
    known: &Variables,
) -> Result<Kept, Vec<String>> {
    let (mut kept, mut differences) = (Kept::new(), Vec::new());
    if answer.status != expected.status {
        differences.push(format!("status: expected {}, got {}", expected.status, answer.status));
    }
    for (name, wanted) in &expected.answer_headers {
        collect(header(name, wanted, answer, known), &mut kept, &mut differences);
    }
    if let Some(wanted) = &expected.answer {
        collect(text("body", wanted, &answer.body, known), &mut kept, &mut differences);
    }
    if let Some(wanted) = &expected.json {
        collect(json(wanted, &answer.body, known), &mut kept, &mut differences);
    }
    if let Some(wanted) = &expected.message {
        let body = format!("{{\"message\":\"{}\"}}\n", escape(wanted));
        collect(text("body", &body, &answer.body, known), &mut kept, &mut differences);
        if !expected.answer_headers.contains_key("Content-Type") {
            collect(header("Content-Type", JSON, answer, known), &mut kept, &mut differences);
        }
    }
    if differences.is_empty() { Ok(kept) } else { Err(differences) }
}

fn collect(outcome: Result<Kept, String>, kept: &mut Kept, differences: &mut Vec<String>) {
    match outcome {
        Ok(found) => kept.extend(found),
        Err(difference) => differences.push(difference),
    }
}

/// A message inside a JSON string, as Go writes it; placeholders stay placeholders.
fn escape(message: &str) -> String {
    message.replace('\\', "\\\\").replace('"', "\\\"")
}

fn header(name: &str, wanted: &str, answer: &Answer, known: &Variables) -> Result<Kept, String> {
    let found: Vec<&str> =
        answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("(no text)")).collect();
    match (wanted, found.as_slice()) {
        ("<none>", []) => Ok(Kept::new()),
        ("<none>", [value, ..]) => Err(format!("header {name}: expected none, got {value:?}")),
        (_, []) => Err(format!("header {name}: expected {wanted:?}, got none")),
        (_, [value]) => text(&format!("header {name}"), wanted, value, known),
        (_, values) => Err(format!("header {name}: expected one, got {values:?}")),
    }
}

fn text(what: &str, wanted: &str, found: &str, known: &Variables) -> Result<Kept, String> {
    let wanted = known.fill(wanted).map_err(|why| format!("{what}: {why}"))?;
    pattern::fit(&wanted, found).map_err(|mismatch| {
        let end = (mismatch.at + SHOWN_BYTES).min(found.len());
        let end = (end..=found.len()).find(|at| found.is_char_boundary(*at)).unwrap_or(found.len());
        let more = if end < found.len() { "…" } else { "" };
        format!(
            "{what}:\n  expected {wanted:?}\n  got      {:?}{more}\n  it differs from byte {}: {:?}{more}",
            &found[..end],
            mismatch.at,
            &found[mismatch.at..end],
        )
    })
}

fn json(wanted: &str, found: &str, known: &Variables) -> Result<Kept, String> {
    let wanted = known.fill(wanted).map_err(|why| format!("body: {why}"))?;
    let expected: Value = serde_json::from_str(&wanted)
        .map_err(|error| format!("the scenario's own JSON is none ({error}): {wanted}"))?;
    let actual: Value = serde_json::from_str(found)
        .map_err(|error| format!("body: expected JSON, got {found:?} ({error})"))?;
    let mut kept = Kept::new();
    match same(&expected, &actual, "", &mut kept) {
        Ok(()) => Ok(kept),
        Err(why) => Err(format!("body: {why}\n  expected {expected}\n  got      {actual}")),
    }
}

/// Whether two values are the same where the expected one has no placeholders. `"<any>"` is any value.
fn same(expected: &Value, actual: &Value, at: &str, kept: &mut Kept) -> Result<(), String> {
    match (expected, actual) {
        (Value::String(pattern), _) if pattern == "<any>" => Ok(()),
        (Value::String(pattern), Value::String(found)) => {
            let found = pattern::fit(pattern, found)
                .map_err(|_| format!("{at}: expected {pattern:?}, got {found:?}"))?;
            kept.extend(found);
            Ok(())
        }
        (Value::Object(expected), Value::Object(actual)) => {
            if let Some(extra) = actual.keys().find(|key| !expected.contains_key(*key)) {
                return Err(format!("{at}/{extra} is not expected"));
            }
            expected.iter().try_for_each(|(key, value)| match actual.get(key) {
                Some(found) => same(value, found, &format!("{at}/{key}"), kept),
                None => Err(format!("{at}/{key} is missing")),
            })
        }
        (Value::Array(expected), Value::Array(actual)) => {
            if expected.len() != actual.len() {
                return Err(format!("{at}: expected {} items, got {}", expected.len(), actual.len()));
            }
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.try_for_each(|(number, (value, found))| same(value, found, &format!("{at}/{number}"), kept))
        }
        _ if expected == actual => Ok(()),
        _ => Err(format!("{at}: expected {expected}, got {actual}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    fn answer(status: u16, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]);
        Answer { status, headers, body: body.to_owned() }
    }

    fn expecting(text: &str) -> Expectation {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_message_is_the_whole_body_of_an_error() {
        let expected = expecting("status = 404\nmessage = 'no \"app\"'");
        let known = Variables::default();
        assert!(compare(&expected, &answer(404, "{\"message\":\"no \\\"app\\\"\"}\n"), &known).is_ok());
        assert!(compare(&expected, &answer(404, "{\"message\":\"no \\\"app\\\"\"}"), &known).is_err());
        assert_eq!(compare(&expected, &answer(200, "x"), &known).unwrap_err().len(), 2);
    }

    #[test]
    fn json_is_compared_whatever_the_order_of_its_fields() {
        let expected = expecting(
            r#"status = 200
            json = '{"a":"<any>","b":["x<any as rest>"]}'"#,
        );
        let known = Variables::default();
        let kept = compare(&expected, &answer(200, r#"{"b":["xyz"],"a":{"c":1}}"#), &known).unwrap();
        assert_eq!(kept["rest"], "yz");
        for wrong in [r#"{"b":["xyz"]}"#, r#"{"b":["xyz"],"a":1,"c":2}"#, r#"{"b":["y"],"a":1}"#, "no"] {
            assert!(compare(&expected, &answer(200, wrong), &known).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_must_be_there_once_or_not_at_all() {
        let known = Variables::default();
        let has = expecting("status = 200\nanswer_headers = { 'Content-Type' = 'application/<any>' }");
        let lacks = expecting("status = 200\nanswer_headers = { 'Content-Type' = '<none>' }");
        assert!(compare(&has, &answer(200, ""), &known).is_ok());
        assert!(compare(&lacks, &answer(200, ""), &known).is_err());
    }
}
