//! Measures the gateway against nginx, interleaved and in one run, and prints ratios: absolute figures of
//! a shared machine mean nothing. The proxies run on the first core, load and upstream on the second.

mod load;
mod message;
mod scenario;
mod subject;
mod upstream;

use std::{error::Error, path::PathBuf};

use clap::Parser;
use tokio::task::LocalSet;

use scenario::{SCENARIOS, Scenario, measure};
use subject::{Kind, Subject, Surroundings};

/// Compares the gateway's engines with nginx as reverse proxies.
#[derive(Debug, Parser)]
struct Arguments {
    /// The gateway's binary
    #[arg(long)]
    gateway: PathBuf,
    /// nginx's binary
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    /// Where configurations and logs are written
    #[arg(long)]
    dir: PathBuf,
    /// Length of one run, seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds, each with every proxy in turn; medians are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Scenarios to run, all if none is named
    #[arg(long)]
    only: Vec<String>,
    /// Proxies to run, all if none is named
    #[arg(long, value_enum)]
    proxy: Vec<Kind>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [proxy_core, load_core, ..] = cores[..] else {
        return Err("two cores are needed: one for the proxy, one for load and upstream".into());
    };
    core_affinity::set_for_current(load_core);
    LocalSet::new().run_until(compare_all(&arguments, proxy_core.id)).await
}

async fn compare_all(arguments: &Arguments, core: usize) -> Result<(), Box<dyn Error>> {
    let surroundings = Surroundings::prepare(&arguments.gateway, &arguments.nginx, &arguments.dir, core)?;
    let kinds = if arguments.proxy.is_empty() { Kind::ALL.to_vec() } else { arguments.proxy.clone() };

    println!(
        "| scenario | unit | {} |",
        kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|---|{}", "---|".repeat(kinds.len()));
    for scenario in SCENARIOS {
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name()) {
            compare(scenario, &kinds, &surroundings, arguments).await?;
        }
    }
    Ok(())
}

/// Runs a scenario in rounds and prints one line: figures, and ratios to the first proxy of the same round.
async fn compare(
    scenario: &Scenario,
    kinds: &[Kind],
    surroundings: &Surroundings,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let mut figures = vec![Vec::new(); kinds.len()];
    let mut ratios = vec![Vec::new(); kinds.len()];
    for _ in 0..arguments.rounds {
        let mut first = None;
        for (position, kind) in kinds.iter().enumerate() {
            let subject = Subject::start(*kind, surroundings, scenario.is_encrypted()).await?;
            let figure = measure(scenario, &subject, arguments.seconds).await?;
            let first = *first.get_or_insert(figure);
            figures[position].push(figure);
            ratios[position].push(figure / first);
        }
    }
    let cells: Vec<_> = figures
        .iter_mut()
        .zip(&mut ratios)
        .map(|(figures, ratios)| format!("{:.2} ({:.2})", median(ratios), median(figures)))
        .collect();
    println!("| {} | {} | {} |", scenario.name(), scenario.unit(), cells.join(" | "));
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
