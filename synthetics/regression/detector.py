"""Judges a series point by point."""

from math import sqrt

from synthetics.regression.baseline import SLOW, Baseline, Earlier, learn
from synthetics.regression.channels import LONGEST, Location, spread_score, tail_score
from synthetics.regression.noise import CLIP
from synthetics.regression.points import Points

class Detector:
    P = dict(loc=4.0, tail=4.2, spread=4.2, imp=6.0, warm=48, guard=64, gshare=3, refit=24, calm=0.6, calm_runs=8,
             allow=2.0, usual=0.03, weight=40.0, most=700, burst=0.5, late=0.0)

    def __init__(self, **over):
        self.p = {**self.P, **over}
        self.points = Points(self.p["most"])
        self.earlier = Earlier()
        self.baseline: Baseline | None = None
        self.since_refit = 0
        self.open = False
        self.calm = 0
        self.trace = None

    def _refit(self):
        n = len(self.points)
        guard = min(self.p["guard"], n // self.p["gshare"])
        self.baseline = learn(self.points, n - guard, self.earlier, self.baseline)
        self.location = Location(self.baseline)
        self.since_refit = 0
        first = max(0, n - LONGEST - 4)
        res = self.points.residuals(self.baseline.level, self.baseline.rhythm, first, n)
        self.res = []
        self.z = []; self.slow = []; self.steps = []
        for r in res:
            self._add(r)

    def _add(self, r):
        """one residual; newest last in lists"""
        sc = self.baseline.scale
        most = CLIP * sc
        self.res.append(r)
        self.z.append(most if r > most else -most if r < -most else r)
        slow = r > SLOW * sc
        if slow and (any(self.slow[-2:])):
            self.slow.append(self.p["burst"])
        else:
            self.slow.append(1.0 if slow else 0.0)
        if len(self.res) > 4:
            z = self.res
            self.steps.append(min(CLIP, abs(z[-1] - 0.25 * (z[-2] + z[-3] + z[-4] + z[-5])) / (sc * sqrt(1.25))))
        if len(self.res) > LONGEST + 4:
            del self.res[0], self.z[0], self.slow[0]
        if len(self.steps) > LONGEST:
            del self.steps[0]

    def update(self, at, seconds):
        p = self.p
        self.points.append(at, seconds)
        n = len(self.points)
        self.since_refit += 1
        if self.baseline is None:
            if n < p["warm"]:
                return None
            self._refit()
        else:
            b = self.baseline
            self._add(self.points.residuals(b.level, b.rhythm, n - 1, n)[0])
            if self.since_refit >= p["refit"] and not self.open:
                self._refit()
        m = min(n, LONGEST)
        newest = self.z[-m:][::-1]
        places = [c[-m:][::-1] for c in self.points.places]
        up, wu, down, wd = self.location.scores(newest, places, p["allow"])
        tail = tail_score(self.slow[-m:][::-1], self.baseline, p["usual"], p["weight"])
        spread = spread_score(self.steps[::-1], self.baseline)
        inflate = 1 + p["late"] / self.baseline.runs
        if self.trace is not None:
            self.trace.append((up, down, tail, spread))
        score = max(up / p["loc"], tail / p["tail"], spread / p["spread"]) / inflate
        if self.open:
            self.calm = self.calm + 1 if score < p["calm"] else 0
            if self.calm >= p["calm_runs"]:
                self.open = False
        elif score >= 1:
            self.open = True
            self.calm = 0
        elif down / inflate >= p["imp"] and wd >= 8:
            self._new_level(wd)
        return self.open

    def _new_level(self, window):
        n = len(self.points)
        count = n - window
        pts = self.points
        b = self.baseline
        res = pts.residuals(b.level, (0, 0, 0, 0), 0, count)
        most = CLIP * b.scale
        fit = pts.residuals(b.level, b.rhythm, 0, count)
        res = [r - f + max(-most, min(most, f)) for r, f in zip(res, fit)]
        means = [sum(c[:count]) / count for c in pts.places]
        cols = [[v - mn for v in c[:count]] for c, mn in zip(pts.places, means)]
        keep = max(0.0, min(1.0, (700 - count) / max(1, self.earlier.runs)))
        for i, c in enumerate(cols):
            self.earlier.products[i] = self.earlier.products[i] * keep + sum(x * y for x, y in zip(c, res))
            for j, d in enumerate(cols):
                self.earlier.squares[i][j] = self.earlier.squares[i][j] * keep + sum(x * y for x, y in zip(c, d))
        self.earlier.runs = int(self.earlier.runs * keep) + count
        pts.forget(count)
        self._refit_small()

    def _refit_small(self):
        from dataclasses import replace
        n = len(self.points)
        old = self.baseline
        b = learn(self.points, n, self.earlier, old)
        self.baseline = replace(b, noise=old.noise, slow=old.slow * n // max(1,old.runs), spread=old.spread, spread_deviation=old.spread_deviation)
        self._install()

    def _install(self):
        n = len(self.points)
        self.location = Location(self.baseline)
        self.since_refit = 0
        res = self.points.residuals(self.baseline.level, self.baseline.rhythm, 0, n)
        self.res = []; self.z = []; self.slow = []; self.steps = []
        for r in res:
            self._add(r)
