// Package taskrule says what must be true of tasks, for tests: the blocking rule as Pulp's
// scan has it, word for word, and a comparison of all rows with it. It is slow, and shares no
// statement with the engine that it judges.
package taskrule

import "slices"

// A Task is what the rule looks at: the names that an unfinished task wants, in line.
type Task struct {
	Exclusive, Shared []string
	Limits            []Limit
}

// A Limit is a place that a task wants among at most N of a Key.
type Limit struct {
	Key string
	N   int
}

// Unblocked says of each task whether it may run. The tasks are all that are unfinished and
// in line, the oldest first.
//
// It is a walk that keeps the names taken so far. A task is blocked if it wants a taken name
// exclusively, or one that is taken exclusively at all. Its own names count as taken either
// way. Limits are not Pulp's: of each, the first N may run.
func Unblocked(tasks []Task) []bool {
	exclusive, shared, counted := map[string]bool{}, map[string]bool{}, map[string]int{}
	free := make([]bool, len(tasks))
	for i, t := range tasks {
		free[i] = !slices.ContainsFunc(t.Exclusive, func(r string) bool { return exclusive[r] || shared[r] }) &&
			!slices.ContainsFunc(t.Shared, func(r string) bool { return exclusive[r] }) &&
			!slices.ContainsFunc(t.Limits, func(l Limit) bool { return counted[l.Key] >= l.N })
		for _, r := range t.Exclusive {
			exclusive[r] = true
		}
		for _, r := range t.Shared {
			shared[r] = true
		}
		for _, l := range t.Limits {
			counted[l.Key]++
		}
	}
	return free
}
