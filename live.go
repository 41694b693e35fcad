package pulp

import (
	"slices"
	"sync"
)

// liveJobs are the tasks that this process runs or is about to run. A task is in it from its
// claim, inside the transaction that makes it running, until the commit that ends it. So whoever
// sees in a transaction that a task of this process is running finds it here.
type liveJobs struct {
	mu   sync.Mutex
	jobs map[int64]*Job
}

func (l *liveJobs) add(j *Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs == nil {
		l.jobs = map[int64]*Job{}
	}
	l.jobs[j.id] = j
}

// remove takes j out, unless a later attempt has its place.
func (l *liveJobs) remove(j *Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs[j.id] == j {
		delete(l.jobs, j.id)
	}
}

// job returns the task of that id; nil if it does not run here.
func (l *liveJobs) job(id int64) *Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.jobs[id]
}

// of returns the tasks of a worker.
func (l *liveJobs) of(worker int64) (jobs []*Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.jobs {
		if j.worker == worker {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// changed returns the tasks with reports that differ from their rows, and takes them for
// written.
func (l *liveJobs) changed() []*Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	var jobs []*Job
	for _, j := range l.jobs {
		if j.changed.Swap(false) {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, byAge)
	return jobs
}
