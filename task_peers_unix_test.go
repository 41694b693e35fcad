//go:build unix

package pulp_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// stop stops the process, as if it got no turn of the processor.
func (p *peerProcess) stop() { require.NoError(p.t, p.Process.Signal(syscall.SIGSTOP)) }

// cont lets it go on.
func (p *peerProcess) cont() { require.NoError(p.t, p.Process.Signal(syscall.SIGCONT)) }

func TestProcessThatWasStoppedForLongerThanItsLeaseWritesNothingMore(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	dir := t.TempDir()
	s := newWork(t, dir, lease, -1)
	zombie := startPeer(t, dir, lease)
	s.add(work{Steps: 150, Pause: 5 * time.Millisecond}) // sturdy
	s.add(work{Steps: 150, Pause: 5 * time.Millisecond}) // once
	require.Eventually(t, func() bool { return s.count("SELECT count(DISTINCT task) FROM step") == 2 }, patience, tick)
	// Stopped while it writes, it would keep all others from writing: see the next test.
	require.NoError(t, s.Tx(t.Context(), func(context.Context, bun.Tx) error { zombie.stop(); return nil }))
	other := startPeer(t, dir, lease)
	require.Eventually(t, func() bool { return s.count("SELECT count(*) FROM step WHERE attempt = 2") > 0 }, patience, tick)
	zombie.cont()
	s.check()
	require.Equal(t, other.Process.Pid, s.count("SELECT pid FROM step WHERE attempt = 2 AND last"))
	require.Equal(t, 1, s.count(`SELECT count(*) FROM task WHERE error = '{"reason":"Worker has gone missing."}'`))

	// It goes on as another worker.
	require.Eventually(t, func() bool { return s.count("SELECT count(*) FROM worker") == 2 }, patience, tick)
	other.kill()
	s.add(work{Steps: 1})
	pid, err := wait(t, s.tickets[len(s.tickets)-1])
	require.NoError(t, err)
	require.Equal(t, zombie.Process.Pid, pid)
}

func TestProcessStoppedInATransactionMakesTheOthersWaitAndFailsNoTask(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	dir := t.TempDir()
	s := newWork(t, dir, lease, -1)
	stopped, other := startPeer(t, dir, lease), startPeer(t, dir, lease)
	for range 12 {
		s.add(work{Steps: 20, Pause: 10 * time.Millisecond})
	}
	workers := s.count("SELECT group_concat(id, '') FROM (SELECT id FROM worker ORDER BY id)")
	require.Eventually(t, func() bool { return s.count("SELECT count(DISTINCT pid) FROM step") == 2 }, patience, tick)
	stopped.say("hold")
	stopped.await("held")
	stopped.stop()
	err := s.Tx(t.Context(), func(context.Context, bun.Tx) error { return nil })
	require.ErrorIs(t, err, pulp.ErrBusy)
	require.ErrorContains(t, err, "another process keeps the write lock")
	done := s.count("SELECT count(*) FROM step")
	<-time.After(2 * lease)
	require.Equal(t, done, s.count("SELECT count(*) FROM step"))
	stopped.say("release")
	stopped.cont()
	stopped.await("released")
	s.check()
	require.Zero(t, s.count("SELECT count(*) FROM task WHERE state <> 'completed' OR attempt > 1"))
	require.Equal(t, workers, s.count("SELECT group_concat(id, '') FROM (SELECT id FROM worker ORDER BY id)"), "nobody was taken for dead")
	_ = other
}

// Three processes work while one after the other is stopped, in the middle of a transaction or
// not, for shorter or longer than its lease, or is killed and replaced.
func TestProcessesMayBeStoppedAndKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	length := 6 * time.Second
	if pulptest.Heavy() {
		length = time.Minute
	}
	dir := t.TempDir()
	s := newWork(t, dir, lease, -1)
	peers := make([]*peerProcess, 3)
	for i := range peers {
		peers[i] = startPeer(t, dir, lease)
	}
	stops, kills, holds := 0, 0, 0
	for begun := time.Now(); time.Since(begun) < length; {
		for range 4 {
			s.add(work{Steps: 1 + rand.IntN(20), Pause: time.Duration(rand.IntN(15)) * time.Millisecond})
		}
		i, pause := rand.IntN(len(peers)), time.Duration(rand.Int64N(int64(5*lease/2)))
		p := peers[i]
		switch rand.IntN(4) {
		case 0:
			kills++
			p.kill()
			peers[i] = startPeer(t, dir, lease)
		case 1:
			holds++
			p.say("hold")
			p.await("held")
			p.stop()
			<-time.After(pause)
			p.say("release")
			p.cont()
			p.await("released")
		default:
			stops++
			p.stop()
			<-time.After(pause)
			p.cont()
		}
	}
	s.check()
	t.Logf("%d tasks; %d stops, %d in a transaction, %d kills; %d attempts were lost", len(s.tickets), stops, holds, kills,
		s.count("SELECT sum(attempt - 1) + sum(state = 'failed') FROM task"))
}
