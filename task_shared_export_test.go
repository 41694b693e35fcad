package pulp

import (
	"context"
	"time"
)

// Attempt says which attempt of its task a job is.
func (j *Job) Attempt() int { return j.attempt }

// PeerStatements are those by which processes look at each other. They may walk the processes
// and the tasks that run.
func PeerStatements() map[string]string {
	return map[string]string{
		"otherWorkers": otherWorkers, "isWorker": isWorker, "canceledElsewhere": canceledElsewhere, "anyNews": anyNews,
	}
}

// A Judge decides which processes are dead.
type Judge struct{ judge }

// NewJudge makes the judge of a process with such a lease.
func NewJudge(lease time.Duration) *Judge { return &Judge{judge{term: lease}} }

// Beat is a heartbeat that was committed at that time, and saw others with their heartbeats. It
// returns those who are dead.
func (g *Judge) Beat(now time.Time, others map[int64]Time) (dead []int64) {
	var peers []peer
	for id, heartbeat := range others {
		peers = append(peers, peer{id: id, heartbeat: heartbeat, lease: g.term})
	}
	for _, p := range g.dead(now, peers) {
		dead = append(dead, p.id)
	}
	g.beaten(now)
	return dead
}

// HoldRemoval keeps everybody from removing bytes.
func (a *App) HoldRemoval(ctx context.Context) (release func(), err error) {
	return a.holdRemoval(ctx)
}
