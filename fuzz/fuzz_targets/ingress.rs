//! Where a request goes: a line with the method, then the path. Nothing is let through that somebody behind the
//! gateway could read as another path.
#![no_main]

use bifrost::{
    provider::path_segment,
    route::{
        Operation, Place, Surface, locate, percent_decoded, query_with_model, query_without_credentials,
        template,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some((method, path)) = text.split_once('\n') else { return };
    template(path);
    check_query(path);
    assert_eq!(percent_decoded(&path_segment(path)).as_deref(), Some(path));
    for surface in [Surface::Whole, Surface::Api, Surface::Admin] {
        match locate(surface, method, path) {
            Err(error) => assert!((400..500).contains(&error.status) && !error.message.is_empty()),
            Ok(Place::Call(ingress)) => {
                assert_ne!(surface, Surface::Admin);
                assert!(path.ends_with(ingress.path) && ingress.path.starts_with('/'));
                check_path(path);
                assert!(!ingress.operation.is_model_call() || method == "POST");
                let is_named = ingress.action.is_some() || ingress.operation == Operation::ModelDetails;
                assert_eq!(ingress.model.is_some(), is_named);
                // Only a query that names models, perhaps two of them, may be refused.
                let names_model = percent_decoded(path).is_none_or(|plain| plain.contains("model"));
                assert!(
                    names_model || ingress.upgraded(Some(path)).is_ok_and(|call| call.path.starts_with('/'))
                );
            }
            Ok(Place::Metrics) => assert_ne!(surface, Surface::Api),
            Ok(Place::Models) => assert_ne!(surface, Surface::Admin),
            Ok(Place::Health) => {}
        }
    }
});

fn check_path(path: &str) {
    let plain = decoded(path.as_bytes());
    assert!(!plain.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'));
    assert!(!path.contains('#'));
    let segments: Vec<_> = plain.split(|byte| *byte == b'/').skip(1).collect();
    for (position, segment) in segments.iter().enumerate() {
        assert!(*segment != b"." && *segment != b"..", "a dot segment");
        assert!(!segment.is_empty() || position + 1 == segments.len(), "an empty segment");
    }
}

fn check_query(query: &str) {
    let is_named = |part: &str, name: &str| {
        decoded(part.split('=').next().unwrap_or_default().as_bytes()) == name.as_bytes()
    };
    let kept = query_without_credentials(query);
    assert!(!kept.split('&').any(|part| is_named(part, "key")), "a credential goes on");
    let replaced = query_with_model(query, "a/b");
    for (before, after) in query.split('&').zip(replaced.split('&')) {
        assert_eq!(after, if is_named(before, "model") { "model=a%2Fb" } else { before });
    }
}

/// Without its escapes; a broken one stands for itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match digits.filter(is_hex).filter(|_| text[at] == b'%') {
            Some(digits) => {
                plain.push(u8::from_str_radix(digits, 16).unwrap());
                at += 3;
            }
            None => {
                plain.push(text[at]);
                at += 1;
            }
        }
    }
    plain
}
