/*!
Rank correlations corrected for the noise of finite trials: split-half reliability (Spearman 1910, Brown 1910) and the
correction for attenuation (Spearman 1904).
*/

use super::{NORMAL_95, count, spearman};

/// The profiles of two models (one number per item), each from two disjoint halves of the trials. Both models are split
/// at the same trials.
#[derive(Debug, Clone)]
pub struct Halves {
    /// The first model's profiles, one per half.
    pub a: [Vec<f64>; 2],
    /// The second model's profiles, one per half.
    pub b: [Vec<f64>; 2],
}

/// The disattenuated correlation of two profiles, and their reliabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attenuation {
    /// The reliability of each profile over all its trials: `2 r / (1 + r)`, where r is the mean correlation of its
    /// halves. None if r is not positive.
    pub reliability: [Option<f64>; 2],
    /// The correlation of one model's half with the other model's other half, divided by `sqrt(r_a r_b)`. It can exceed
    /// 1.
    pub rho: Option<f64>,
    /// The 95 % interval of `rho`: rho -/+ 1.96 jackknife errors over items.
    pub interval: Option<(f64, f64)>,
}

impl Attenuation {
    /// Averages the correlations over several splits of the same trials. All fields are None if a half is constant.
    #[must_use]
    pub fn of(splits: &[Halves]) -> Self {
        let items = splits.first().map_or(0, |split| split.a[0].len());
        let all = correlations(splits, None);
        let rho = all.and_then(disattenuated);
        Self {
            reliability: [0, 1].map(|model| {
                let r = all?[model];
                (r > 0.0).then(|| 2.0 * r / (1.0 + r))
            }),
            rho,
            interval: rho.and_then(|rho| {
                let one_less = |item| disattenuated(correlations(splits, Some(item))?);
                let without = (0..items).map(one_less).collect::<Option<Vec<f64>>>()?;
                let error = jackknife_error(&without);
                Some((rho - NORMAL_95 * error, rho + NORMAL_95 * error))
            }),
        }
    }

    /// The noise ceiling: the mean correlation of two profiles of these reliabilities whose true values are equal.
    #[must_use]
    pub fn ceiling(&self) -> Option<f64> {
        let [a, b] = self.reliability;
        Some((a? * b?).sqrt())
    }
}

/// Mean correlations over the splits: between the first model's halves, between the second model's halves, and across
/// models and halves. One item may be left out.
fn correlations(splits: &[Halves], without: Option<usize>) -> Option<[f64; 3]> {
    let mut means = [0.0; 3];
    let n = count(splits.len());
    for Halves { a, b } in splits {
        let [a, b] = [a, b].map(|halves| halves.each_ref().map(|half| less(half, without)));
        means[0] += spearman(&a[0], &a[1])? / n;
        means[1] += spearman(&b[0], &b[1])? / n;
        means[2] += f64::midpoint(spearman(&a[0], &b[1])?, spearman(&a[1], &b[0])?) / n;
    }
    Some(means)
}

fn less(values: &[f64], without: Option<usize>) -> Vec<f64> {
    let mut values = values.to_vec();
    if let Some(item) = without {
        values.remove(item);
    }
    values
}

fn disattenuated([a, b, across]: [f64; 3]) -> Option<f64> {
    (a > 0.0 && b > 0.0).then(|| across / (a * b).sqrt())
}

/// The jackknife error of a statistic, from its values without each item.
fn jackknife_error(without: &[f64]) -> f64 {
    let n = count(without.len());
    let mean = without.iter().sum::<f64>() / n;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    (squares * (n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Below as _;
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn uniform(rng: &mut Xoshiro256PlusPlus) -> f64 {
        f64::from(rng.next_u32()) / f64::from(u32::MAX)
    }

    /// Two models with equal accuracies in half of the items, and errors in the same trials. 16 trials, 4 splits.
    fn drawn(rng: &mut Xoshiro256PlusPlus, items: usize) -> (f64, f64, Attenuation) {
        const TRIALS: u32 = 16;
        let (mut truth, mut trials) = ([vec![], vec![]], vec![]);
        for item in 0..items {
            let a = uniform(rng);
            let b = if item % 2 == 0 { a } else { uniform(rng) };
            truth[0].push(a);
            truth[1].push(b);
            let hard: Vec<f64> = (0..TRIALS).map(|_| uniform(rng)).collect();
            trials.push([a, b].map(|p| hard.iter().map(|h| u32::from(*h < p)).collect::<Vec<_>>()));
        }
        let sum = |right: &[u32], order: &[usize]| -> f64 {
            order.iter().map(|&i| f64::from(right[i])).sum()
        };
        let mut order: Vec<usize> = (0..TRIALS as usize).collect();
        let whole = [0, 1].map(|m| {
            trials
                .iter()
                .map(|t| sum(&t[m], &order))
                .collect::<Vec<_>>()
        });
        let splits: Vec<Halves> = (0..4)
            .map(|_| {
                rng.shuffle(&mut order);
                let (first, second) = order.split_at(order.len() / 2);
                let halves = |model: usize| {
                    [first, second]
                        .map(|half| trials.iter().map(|t| sum(&t[model], half)).collect())
                };
                Halves {
                    a: halves(0),
                    b: halves(1),
                }
            })
            .collect();
        let rho = |[a, b]: [&Vec<f64>; 2]| spearman(a, b).unwrap();
        (
            rho(truth.each_ref()),
            rho(whole.each_ref()),
            Attenuation::of(&splits),
        )
    }

    /// The estimate is the correlation of the true accuracies, although errors in the same trials raise the plain
    /// correlation. The interval covers the true .5 as often as it says: 95 % of 400, within three errors, is .918 to
    /// .982.
    #[test]
    fn noise_and_shared_errors_are_corrected() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        let (mut truth, mut seen, mut found, mut held) = (0.0, 0.0, 0.0, 0);
        for _ in 0..400 {
            let (true_rho, whole, attenuation) = drawn(&mut rng, 60);
            truth += true_rho / 400.0;
            seen += whole / 400.0;
            found += attenuation.rho.unwrap() / 400.0;
            let (low, high) = attenuation.interval.unwrap();
            held += u32::from(low < 0.5 && 0.5 < high);
        }
        assert!((truth - 0.5).abs() < 0.02, "{truth}");
        assert!((found - truth).abs() < 0.02, "{found} {truth}");
        assert!((seen - truth).abs() > 0.02, "{seen} {truth}");
        assert!((367..=393).contains(&held), "{held}");
    }
}
