//! Series of steps: from when until when, and how long a step is.

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use storage::statistic::{Range, Step};
use utoipa::ToSchema;

use crate::body::Fields;
use crate::problem::Problem;

const DAY_SECONDS: i64 = 86_400;

/// How far a series reaches that is not told where to begin.
const HOURS_SECONDS_DEFAULT: i64 = 2 * DAY_SECONDS;
const DAYS_SECONDS_DEFAULT: i64 = 31 * DAY_SECONDS;

/// The longest series.
const HOURS_SECONDS_MAX: i64 = 93 * DAY_SECONDS;
const DAYS_SECONDS_MAX: i64 = 400 * DAY_SECONDS;

/// How long a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepParam {
    Hour,
    #[default]
    Day,
}

/// Which part of time is asked for.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesParams {
    /// Hours of 93 days at most, or days of 400.
    #[param(inline)]
    #[serde(default)]
    step: StepParam,
    /// The beginning; without it 2 days of hours, or 31 days.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// The end, which is not part of it; now without it.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// The same, understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) step: StepParam,
    pub(crate) range: Range,
}

impl StepParam {
    pub(crate) const fn step(self) -> Step {
        match self {
            Self::Hour => Step::Hour,
            Self::Day => Step::Day,
        }
    }

    const fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Hour => at.hour_start(),
            Self::Day => at.day_start(),
        }
    }
}

impl SeriesParams {
    pub(crate) fn series(&self, now: Timestamp) -> Result<Series, Problem> {
        let mut fields = Fields::default();
        let mut at = |field: &str, raw: &Option<String>| {
            raw.as_deref()
                .and_then(|raw| fields.parse::<Timestamp>(field, raw))
        };
        let (from, until) = (at("from", &self.from), at("until", &self.until));
        let (default, most) = match self.step {
            StepParam::Hour => (HOURS_SECONDS_DEFAULT, HOURS_SECONDS_MAX),
            StepParam::Day => (DAYS_SECONDS_DEFAULT, DAYS_SECONDS_MAX),
        };
        let until = until.unwrap_or_else(|| now.plus_seconds(1));
        let from = from.unwrap_or_else(|| until.plus_seconds(-default));
        if until <= from {
            fields.wrong("until", "the end is not after the beginning");
        } else if most < until.seconds_since(from) {
            let days = most / DAY_SECONDS;
            fields.wrong(
                "from",
                format!("of these steps there are {days} days at most"),
            );
        }
        fields.check()?;
        Ok(Series {
            step: self.step,
            range: Range {
                from: self.step.start(from),
                until,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[track_caller]
    fn check(step: StepParam, from: Option<&str>, until: Option<&str>, wrong: Option<&str>) {
        let params = SeriesParams {
            step,
            from: from.map(Into::into),
            until: until.map(Into::into),
        };
        let told = params.series(NOW).err();
        let told = told.map(|problem| serde_json::to_value(problem).expect("a problem is JSON"));
        let field = told
            .as_ref()
            .and_then(|told| told["errors"][0]["field"].as_str());
        assert_eq!(field, wrong);
    }

    #[test]
    fn a_series_is_no_longer_than_it_may_be() {
        let (new_year, march) = (Some("2026-01-01T00:00:00Z"), Some("2026-03-01T00:00:00Z"));
        check(StepParam::Hour, None, None, None);
        check(StepParam::Day, new_year, march, None);
        check(StepParam::Hour, new_year, march, None);
        check(
            StepParam::Hour,
            new_year,
            Some("2026-12-01T00:00:00Z"),
            Some("from"),
        );
        check(
            StepParam::Day,
            Some("2024-01-01T00:00:00Z"),
            march,
            Some("from"),
        );
        check(StepParam::Day, march, new_year, Some("until"));
        check(StepParam::Day, Some("soon"), None, Some("from"));
    }

    #[test]
    fn a_series_begins_with_a_whole_step() {
        let series = SeriesParams::default()
            .series(NOW)
            .expect("nothing is wrong");
        assert_eq!(series.range.from, series.range.from.day_start());
    }
}
