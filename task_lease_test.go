package pulp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp"
)

// A simulated process gives signs of life and judges others.
type simulated struct {
	judge     *pulp.Judge
	heartbeat pulp.Time // its row
	next      time.Time // of its heartbeats
	stopped   time.Time // until when it is; zero if it never was
	holds     bool      // the lock, while it is stopped
	killed    time.Time
	away      time.Duration // how long it could not run since its last heartbeat, and others could write
	gone      bool          // its row is
}

// Time goes in steps of a tenth of a heartbeat. Processes are stopped and killed at random, also
// while they hold the lock that everybody needs to write.
func TestJudgesAreFair(t *testing.T) {
	t.Parallel()
	const lease, step = 3 * time.Second, 100 * time.Millisecond
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_000_000, 0)
		all := make([]*simulated, 4)
		for i := range all {
			all[i] = &simulated{judge: pulp.NewJudge(lease), heartbeat: 1, next: now.Add(time.Duration(i) * step)}
		}
		locked := now // until when
		free := now   // since when it is not
		for range 600 {
			now = now.Add(step)
			if !now.Before(locked) {
				for _, i := range rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "order") {
					beat(t, all, i, now, free, lease)
				}
			}
			p := all[rapid.IntRange(1, len(all)-1).Draw(t, "process")]
			able := p.killed.IsZero() && !now.Before(p.stopped) && !now.Before(locked)
			switch what := rapid.IntRange(0, 60).Draw(t, "what"); {
			case able && what < 3:
				p.stopped = now.Add(time.Duration(rapid.IntRange(1, 80).Draw(t, "pause")) * step)
				if p.holds = what == 0; p.holds {
					locked = p.stopped
				}
			case what == 3 && p.killed.IsZero(): // also while it is stopped, which frees the lock
				p.killed = now
				if p.holds && now.Before(p.stopped) {
					locked = now
				}
				p.holds = false
			}
			for _, p := range all {
				if !p.killed.IsZero() || now.Before(p.stopped) && !p.holds {
					p.away += step
				}
			}
			if locked.After(free) || locked.Equal(now) {
				free = locked
			}
		}
	})
}

// beat lets a process give a sign of life, if it is time and it can.
func beat(t *rapid.T, all []*simulated, i int, now, free time.Time, lease time.Duration) {
	p := all[i]
	if p.gone || !p.killed.IsZero() || now.Before(p.stopped) || now.Before(p.next) {
		return
	}
	p.heartbeat++
	p.away, p.holds = 0, false
	p.next = now.Add(lease / 3)
	others := map[int64]pulp.Time{}
	for id, other := range all {
		if id != i && !other.gone {
			others[int64(id)] = other.heartbeat
		}
	}
	for _, id := range p.judge.Beat(now, others) {
		other := all[id]
		other.gone = true
		// Who runs writes after a third of its lease, or waits for the lock for less than a half.
		require.GreaterOrEqual(t, other.away, lease/6, "process %d ran, but was expelled by %d", id, i)
	}
	for id := range others {
		if k := all[id].killed; i == 0 && !all[id].gone && !k.IsZero() {
			since := now.Sub(k)
			if !free.Before(k) {
				since = now.Sub(free)
			}
			require.Less(t, since, 2*lease, fmt.Sprintf("process %d is dead and nobody noticed", id))
		}
	}
}
