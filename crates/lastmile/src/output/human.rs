//! How values look in a table: units, durations, nothing that could drive a terminal.

use serde_json::Value;

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A heading: the words of the field without its unit, in capitals.
pub(crate) fn title(field: &str) -> String {
    let bare = ["_bytes", "_seconds"]
        .iter()
        .find_map(|unit| field.strip_suffix(unit))
        .unwrap_or(field);
    bare.replace('_', " ").to_uppercase()
}

/// Whether a column holds quantities, which are aligned to the right.
pub(crate) fn is_quantity(field: &str) -> bool {
    ["_bytes", "_seconds", "_bps", "packets", "_count"]
        .iter()
        .any(|unit| field.ends_with(unit))
}

/// A value in a table.
pub(crate) fn text(field: &str, value: &Value) -> String {
    let number = value.as_u64();
    match number {
        Some(bytes) if field.ends_with("_bytes") => show_bytes(bytes),
        Some(bits) if field.ends_with("_bps") => show_rate(bits),
        Some(seconds) if field.ends_with("_seconds") => show_seconds(seconds),
        _ if field == "at" || field.ends_with("_at") => whole_second(value),
        _ => match value {
            Value::Null => "-".to_owned(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let text = plain(value);
                if text.is_empty() {
                    return "-".to_owned();
                }
                text.chars().flat_map(printable).collect()
            }
        },
    }
}

/// A value in a CSV field.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(plain).collect();
            texts.join("; ")
        }
        Value::Object(_) => value.to_string(),
    }
}

/// A router chooses what its names contain; control characters would reach the terminal.
fn printable(char: char) -> impl Iterator<Item = char> {
    let escaped = char.is_control().then(|| char.escape_default());
    let plain = (!char.is_control()).then_some(char);
    escaped.into_iter().flatten().chain(plain)
}

/// An instant without its fraction: microseconds are for programs.
fn whole_second(value: &Value) -> String {
    match value.as_str() {
        Some(instant) => match instant.split_once('.') {
            Some((second, _)) => format!("{second}Z"),
            None => instant.to_owned(),
        },
        None => "-".to_owned(),
    }
}

fn show_bytes(bytes: u64) -> String {
    let mut whole = bytes;
    let mut rest = 0;
    let mut unit = "B";
    for larger in UNITS {
        if whole < 1_024 {
            break;
        }
        rest = whole % 1_024;
        whole /= 1_024;
        unit = larger;
    }
    if unit == "B" || 100 <= whole {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{} {unit}", rest * 10 / 1_024)
    }
}

/// A speed in bit/s with one digit behind the point, in the units of rate limits.
pub(crate) fn show_rate(bits: u64) -> String {
    for (factor, unit) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
        if factor <= bits {
            return format!("{}.{}{unit}", bits / factor, bits % factor * 10 / factor);
        }
    }
    bits.to_string()
}

pub(crate) fn show_seconds(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(amount, _)| *amount != 0)
        .take(2)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".to_owned()
    } else {
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(field: &str, value: &Value, expected: &str) {
        assert_eq!(text(field, value), expected);
    }

    #[test]
    fn quantities_have_units() {
        check("upload_bytes", &json!(0), "0 B");
        check("upload_bytes", &json!(1_023), "1023 B");
        check("upload_bytes", &json!(1_536), "1.5 KiB");
        check("upload_bytes", &json!(5_368_709_120_u64), "5.0 GiB");
        check("upload_bytes", &json!(u64::MAX), "16383 PiB");
        check("upload_bps", &json!(999), "999");
        check("download_bps", &json!(1_990_000), "1.9M");
        check("session_seconds", &json!(0), "0s");
        check("session_seconds", &json!(61), "1m 1s");
        check("session_seconds", &json!(90_061), "1d 1h");
    }

    #[test]
    fn instants_are_whole_seconds() {
        check(
            "started_at",
            &json!("2026-11-20T05:50:08.63747Z"),
            "2026-11-20T05:50:08Z",
        );
        check("at", &json!("2026-11-20T05:50:08Z"), "2026-11-20T05:50:08Z");
        check("stopped_at", &Value::Null, "-");
    }

    #[test]
    fn what_a_router_sent_cannot_drive_the_terminal() {
        check("user_name", &json!("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        check("user_name", &json!("é"), "é");
        check("user_name", &Value::Null, "-");
    }

    #[test]
    fn headings_leave_out_the_unit() {
        assert_eq!(title("upload_bytes"), "UPLOAD");
        assert_eq!(title("user_name"), "USER NAME");
    }
}
