//! JSON, and the only place that names a parser of it: a validating scanner for the request path, whole
//! documents for everything else.

mod block;
mod compact;
pub mod document;
mod reader;
mod scan;
mod usage;
mod writer;

pub use compact::compact;
pub use reader::{Kind, ReadError, Reader, lossy};
pub use scan::{JSON_DEPTH_MAX, Outline, ScanError, scan};
pub use usage::find_usage;
pub use writer::Writer;

/// The text of a member of an object; none where there is no such thing.
pub fn member_text(object: &str, wanted: &str) -> Option<String> {
    let mut text = None;
    let mut reader = Reader::new(object);
    let read = reader.object(|name, reader| {
        if name == wanted {
            text = reader.text_if_any()?.map(|text| text.to_plain().into_owned());
        }
        Ok(())
    });
    text.filter(|_| read.is_ok())
}
