/*!
Small systems of linear equations.
*/

use super::rounding::largest;

/// The solution of `matrix x = right`, by Gaussian elimination with row pivots. None if the matrix is singular, up to
/// rounding.
#[must_use]
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    let scale = largest(matrix.iter().flatten().copied());
    for (row, right) in matrix.iter_mut().zip(right) {
        row.push(right);
    }
    for at in 0..n {
        let pivot = (at..n).max_by(|&i, &j| matrix[i][at].abs().total_cmp(&matrix[j][at].abs()))?;
        matrix.swap(at, pivot);
        let (above, below) = matrix.split_at_mut(at + 1);
        let pivot = &above[at];
        if pivot[at].is_nan() || pivot[at].abs() <= 1e-12 * scale {
            return None;
        }
        for row in below {
            let factor = row[at] / pivot[at];
            row.iter_mut()
                .zip(pivot)
                .for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut solution = vec![0.0; n];
    for at in (0..n).rev() {
        let known = dot(&matrix[at][at + 1..n], &solution[at + 1..]);
        solution[at] = (matrix[at][n] - known) / matrix[at][at];
    }
    Some(solution)
}

/// The dot product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
