//! A whole answer for a client of the Responses API.

use super::{encode_item::Item, encode_stream::Encoder, error::write_error, usage::write_usage};
use crate::{
    dialect::{StreamEncoder, Wishes, json::Writer},
    ir::{ApiError, Finish, Raw, Response, Text, Usage},
};

/// Writes a whole answer: what its stream would come to.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let mut encoder = Encoder::silent(wishes.clone());
    response.replay(&mut |event| encoder.push(&event, &mut Vec::new()));
    encoder.write_whole(out);
}

/// An answer as it stands in a document and in the first and last events of a stream.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Its name, as it stands between quotes.
    pub(super) id: String,
    /// The model that serves it.
    pub(super) model: Text<'static>,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// What it consists of.
    pub(super) items: Vec<Item>,
    /// Why it ended, where it did.
    pub(super) finish: Option<Finish>,
    /// What has been used up, where that was told.
    pub(super) usage: Option<Usage>,
    /// Why there is no more of it.
    pub(super) error: Option<ApiError>,
    /// What only other dialects know, by their names.
    pub(super) strange: Vec<(&'static str, Raw<'static>)>,
}

impl Answer {
    /// Why it is incomplete, if it is.
    pub(super) const fn incomplete(&self) -> Option<&'static str> {
        match self.finish {
            Some(Finish::Length) => Some("max_output_tokens"),
            Some(Finish::ContentFilter) => Some("content_filter"),
            _ => None,
        }
    }

    /// Writes it; `status` tells how far it is. What was asked for is not repeated but for the members that
    /// every client expects.
    pub(super) fn write(&self, status: &str, writer: &mut Writer<'_>) {
        writer.object(|writer| {
            writer.member("id").string(&self.id);
            writer.member("object").string("response");
            writer.member("created_at").count(self.created);
            writer.member("status").string(status);
            writer.member("background").boolean(false);
            match &self.error {
                Some(error) => write_error(error, writer.member("error")),
                None => writer.member("error").null(),
            }
            match self.incomplete().filter(|_| status == "incomplete") {
                Some(reason) => writer
                    .member("incomplete_details")
                    .object(|writer| writer.member("reason").string(reason)),
                None => writer.member("incomplete_details").null(),
            }
            writer.member("instructions").null();
            writer.member("max_output_tokens").null();
            writer.member("model").text(&self.model);
            writer.member("output").array(|writer| self.items.iter().for_each(|item| item.write(writer)));
            writer.member("parallel_tool_calls").boolean(true);
            writer.member("previous_response_id").null();
            writer.member("reasoning").object(|writer| {
                writer.member("effort").null();
                writer.member("summary").null();
            });
            writer.member("store").boolean(false);
            writer.member("temperature").null();
            writer.member("text").object(|writer| {
                writer.member("format").object(|writer| writer.member("type").string("text"));
            });
            writer.member("tool_choice").string("auto");
            writer.member("tools").array(|_| {});
            writer.member("top_p").null();
            writer.member("truncation").string("disabled");
            match &self.usage {
                Some(usage) => write_usage(usage, writer.member("usage")),
                None => writer.member("usage").null(),
            }
            writer.member("user").null();
            writer.member("metadata").object(|_| {});
            self.write_strange(writer);
        });
    }

    /// What only the provider's dialect knows, so that nothing is lost.
    fn write_strange(&self, writer: &mut Writer<'_>) {
        let Some((dialect, _)) = self.strange.first() else { return };
        writer.member("provider_specific_fields").object(|writer| {
            writer.member(dialect).array(|writer| self.strange.iter().for_each(|(_, raw)| writer.raw(raw)));
        });
    }
}
