package pulp

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A State is where a task is in its life, in the words of its record.
type State string

// The states of a task. It is made Waiting (or final, see [Task.RunTx]), and moves down this
// list only, except that a task that runs may wait again for its next attempt, see [Retry].
// Skipped is part of the API, but no task gets it.
const (
	Waiting   State = "waiting"
	Running   State = "running"
	Canceling State = "canceling" // canceled, but its handler has not returned yet
	Skipped   State = "skipped"
	Completed State = "completed"
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// Final says that a task in this state has ended.
func (s State) Final() bool {
	return s == Skipped || s == Completed || s == Failed || s == Canceled
}

// The reasons that a task gives for its end if its handler did not end it.
const (
	reasonLost     = "Worker has gone missing."
	reasonShutdown = "Aborted during worker shutdown."
)

// An outcome is how a task ended. Result and error are JSON; nil stands for null.
type outcome struct {
	state  State
	result []byte
	err    []byte

	aborted   bool // by the end of its process, not by its handler
	permanent bool // another attempt would not mend it
}

// outcomeOf is the outcome of a handler that returned result and err.
func outcomeOf(result []byte, err error) outcome {
	if err == nil {
		return outcome{state: Completed, result: result}
	}
	return failed(err)
}

// errorRecord is what a task's record says of its failure. The traceback is always null:
// clients look for the key, and a stack is nothing for clients.
type errorRecord struct {
	Description string  `json:"description"`
	Code        string  `json:"error_code,omitempty"`
	Traceback   *string `json:"traceback"`
}

// failed is the outcome of a handler that returned err.
func failed(err error) outcome {
	record := errorRecord{Description: err.Error()}
	if known := (*TaskError)(nil); errors.As(err, &known) {
		record.Description, record.Code = known.Text, known.Code
	}
	b, fault := json.Marshal(record)
	if fault != nil {
		panic(fault) // strings always have a JSON form
	}
	return outcome{state: Failed, err: b, permanent: errors.As(err, new(*permanent))}
}

// aborted is the outcome of a task that the end of its process ended.
func aborted(reason string) outcome {
	out := ended(Failed, reason)
	out.aborted = true
	return out
}

// ended is the outcome of a task that was ended from outside.
func ended(state State, reason string) outcome {
	b, err := json.Marshal(map[string]string{"reason": reason})
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return outcome{state: state, err: b}
}

// error is what waiting for the task returns.
func (o outcome) error() error {
	switch o.state {
	case Completed, Skipped:
		return nil
	case Canceled:
		return ErrCanceled
	}
	var record struct {
		errorRecord
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(o.err, &record); err != nil {
		return &TaskError{Text: fmt.Sprintf("task failed; its record cannot be read: %v", err)}
	}
	if record.Description == "" {
		record.Description = record.Reason
	}
	return &TaskError{Code: record.Code, Text: record.Description}
}
