//! The access log: what the shards leave, formatted and written in bulk by a thread beside control.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    bus::{Access, Excerpt, ShardLinks},
    config::limits::ACCESS_LOG_BEAT,
    dialect::json::document::quote,
    provider::mask_keys,
};

/// Text that is gathered before it is written, bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// Writes lines to stderr, where the rest of the log goes.
pub(super) struct AccessLog {
    links: ShardLinks,
    /// One moment, by both clocks.
    epoch: (Instant, SystemTime),
}

impl AccessLog {
    #[expect(clippy::disallowed_methods, reason = "control is where the clock is read")]
    pub(super) fn new(links: ShardLinks) -> Self {
        Self { links, epoch: (Instant::now(), SystemTime::now()) }
    }

    /// Writes whenever it is time, or told to, and a last time once nobody can tell any more. It has its thread to
    /// itself: a reader of stderr that is slow holds up this alone.
    pub(super) fn keep_up(&self, is_json: bool, told: &flume::Receiver<()>) {
        if is_json { self.write_all::<true>(told) } else { self.write_all::<false>(told) }
    }

    fn write_all<const IS_JSON: bool>(&self, told: &flume::Receiver<()>) {
        if !self.links.iter().any(|link| link.access.is_on()) {
            return;
        }
        let mut page = Page::<IS_JSON>::new(self.epoch);
        loop {
            let told = told.recv_timeout(ACCESS_LOG_BEAT);
            for link in self.links.iter() {
                while let Some(access) = link.access.pop() {
                    page.push(&access);
                    if page.text.len() > PAGE_BYTES {
                        page.flush();
                    }
                }
            }
            page.flush();
            if told == Err(flume::RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

/// Lines that are written at once. A line costs about a microsecond, so that nothing here is formatted by `fmt`.
struct Page<const IS_JSON: bool> {
    text: Vec<u8>,
    epoch: (Instant, SystemTime),
    /// The last second that a line was from, and how it is written.
    second: (u64, String),
}

/// The name of a field as it stands before its value, for people and in JSON.
macro_rules! name {
    ($name:literal) => {
        [concat!(" ", $name, "="), concat!(",\"", $name, "\":")]
    };
}

impl<const IS_JSON: bool> Page<IS_JSON> {
    fn new(epoch: (Instant, SystemTime)) -> Self {
        Self { text: Vec::with_capacity(PAGE_BYTES + 1024), epoch, second: (0, date_and_time(0)) }
    }

    fn push(&mut self, access: &Access) {
        self.literal(["", "{\"timestamp\":\""]);
        self.time(access.ended_at);
        if access.status >= 500 {
            self.literal([" WARN", "\",\"level\":\"WARN"]);
        } else {
            self.literal([" INFO", "\",\"level\":\"INFO"]);
        }
        self.literal([" access: request", "\",\"target\":\"access\",\"fields\":{\"message\":\"request\""]);
        self.fields(access);
        self.literal(["\n", "}}\n"]);
    }

    /// Those that say nothing are left out.
    fn fields(&mut self, access: &Access) {
        let [provider, key, model] = access.names();
        self.word(name!("request_id"), &access.request_id);
        self.word(name!("method"), access.method.as_bytes());
        self.word(name!("path"), access.path.as_bytes());
        self.number(name!("status"), access.status.into());
        self.string(name!("provider"), provider);
        self.string(name!("model"), model);
        self.string(name!("key"), key);
        self.milliseconds(name!("duration_ms"), access.duration);
        if let Some(upstream) = access.upstream {
            self.milliseconds(name!("upstream_ms"), upstream);
        }
        self.number(name!("bytes_in"), access.bytes_in);
        self.number(name!("bytes_out"), access.bytes_out);
        self.truth(name!("streamed"), access.is_streamed);
        self.truth(name!("client_gone"), access.is_client_gone);
        if let Some(code) = access.error_code {
            self.word(name!("error_code"), code.as_bytes());
        }
        if let Some(source) = access.error_source {
            self.word(name!("error_source"), source.as_bytes());
        }
        if let Some(content) = &access.content {
            self.body(name!("request_body"), name!("request_body_cut"), &content.request);
            self.body(name!("response_body"), name!("response_body_cut"), &content.response);
        }
    }

    #[inline]
    fn literal(&mut self, [pretty, json]: [&str; 2]) {
        self.text.extend_from_slice(if IS_JSON { json } else { pretty }.as_bytes());
    }

    /// A value of ours, which needs no escapes.
    #[inline]
    fn word(&mut self, name: [&str; 2], value: &[u8]) {
        self.literal(name);
        self.text.push(b'"');
        self.text.extend_from_slice(value);
        self.text.push(b'"');
    }

    fn string(&mut self, name: [&str; 2], value: &[u8]) {
        if value.is_empty() {
            return;
        }
        if value.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\') {
            self.word(name, value);
        } else {
            self.literal(name);
            self.text.extend_from_slice(quote(&String::from_utf8_lossy(value)).as_bytes());
        }
    }

    /// What looks like a key in it is masked.
    fn body(&mut self, name: [&str; 2], name_of_cut: [&str; 2], excerpt: &Excerpt) {
        let mut body = excerpt.bytes().to_vec();
        mask_keys(&mut body);
        self.literal(name);
        self.text.extend_from_slice(quote(&String::from_utf8_lossy(&body)).as_bytes());
        self.truth(name_of_cut, excerpt.is_cut());
    }

    #[inline]
    fn number(&mut self, name: [&str; 2], value: u64) {
        self.literal(name);
        self.text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    fn truth(&mut self, name: [&str; 2], value: bool) {
        self.literal(name);
        self.text.extend_from_slice(if value { "true" } else { "false" }.as_bytes());
    }

    /// With three digits behind the point.
    fn milliseconds(&mut self, name: [&str; 2], time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.number(name, micros / 1000);
        self.text.push(b'.');
        self.text.extend_from_slice(&digits::<3>(micros % 1000));
    }

    /// As RFC 3339 has it, in UTC, with microseconds.
    fn time(&mut self, at: Instant) {
        let (instant, time) = self.epoch;
        let at = match at.checked_duration_since(instant) {
            Some(later) => time + later,
            None => time - instant.saturating_duration_since(at),
        };
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second.0 != since.as_secs() {
            self.second = (since.as_secs(), date_and_time(since.as_secs()));
        }
        self.text.extend_from_slice(self.second.1.as_bytes());
        self.text.push(b'.');
        self.text.extend_from_slice(&digits::<6>(since.subsec_micros().into()));
        self.text.push(b'Z');
    }

    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        // Where stderr is closed, nobody wants the log.
        let _ = io::stderr().lock().write_all(&self.text);
        self.text.clear();
    }
}

/// The last digits of a number.
fn digits<const COUNT: usize>(mut number: u64) -> [u8; COUNT] {
    let mut digits = [b'0'; COUNT];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// A second since 1970 without its zone.
fn date_and_time(second: u64) -> String {
    let (days, second) = (second / 86_400, second % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day since 1970. Years begin in March here, so that the day which some lack is
/// their last one.
fn date(days: u64) -> (u64, u64, u64) {
    // Days since 1 March of year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_453, (2025, 12, 31)),
            (20_454, (2026, 1, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
        assert_eq!(date_and_time(86_399), "1970-01-01T23:59:59");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
    fn a_line_has_its_time_by_the_wall_clock() {
        let now = Instant::now();
        let mut page = Page::<false>::new((now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        for at in [now + Duration::from_micros(1_000_007), now - Duration::from_millis(500)] {
            page.push(&Access::new(at, [b'0'; 32], "GET", "/health"));
        }
        let text = String::from_utf8(page.text).unwrap();
        let times: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(times, ["2023-11-14T22:13:21.000007Z", "2023-11-14T22:13:19.500000Z"]);
    }
}
