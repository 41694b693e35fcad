package pulp

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The kinds of errors that a caller may tell apart with [errors.Is]. Every error of this
// package is one of them, a [FieldErrors], an error of the caller's context, or a fault of
// the machine (disk, network) that no caller can mend by calling differently.
var (
	// ErrNotFound says that there is no such object, or none that the caller may see.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the object's state does not allow the call.
	ErrConflict = errors.New("conflict")
	// ErrDenied says that the caller may not do this.
	ErrDenied = errors.New("permission denied")
	// ErrUnauthenticated says that the caller is not known.
	ErrUnauthenticated = errors.New("authentication credentials were not provided")
	// ErrCanceled is the cause of a task's context that ends because somebody canceled the task.
	ErrCanceled = errors.New("task canceled")
	// ErrLost says that another attempt owns the task: nothing that this one writes is kept.
	ErrLost = errors.New("task lost to another worker")
	// ErrNotReserved says that a task does something to a resource that it does not reserve.
	ErrNotReserved = errors.New("resource not reserved")
	// ErrNestedTx says that App.Tx was called inside an App.Tx; tx.BeginTx makes a savepoint.
	ErrNestedTx = errors.New("transaction inside a transaction: use the tx that is open, tx.BeginTx makes a savepoint")
	// ErrNoApp says that a context does not carry an App; App.Tx and App.With make one that does.
	ErrNoApp = errors.New("no App in this context: use App.Tx or App.With")
	// ErrBusy says that a transaction did not begin because another process that shares the
	// database kept it locked for too long. It may be tried again.
	ErrBusy = errors.New("database is busy")
	// ErrFull says that there is no room for more files: see [Config.Quota] and [Config.MinFree].
	// It may be tried again when something has been deleted.
	ErrFull = errors.New("storage is full")
	// ErrRemote says that a remote does not deliver what is needed to answer. It may be tried again.
	ErrRemote = errors.New("remote does not deliver")
	// ErrNewerData says that a newer program has upgraded what this one would read: see [Upgrade].
	ErrNewerData = errors.New("data of a newer program")
	// ErrClosed says that the App is closed.
	ErrClosed = errors.New("app closed")
)

// FieldErrors says what is wrong with the fields of a request: field name → sentences. What
// concerns no single field stands under "non_field_errors". It is a 400 with itself as body.
type FieldErrors map[string][]string

// NonField is the key of [FieldErrors] for what concerns no single field.
const NonField = "non_field_errors"

// Error lists the fields in the order of their names.
func (e FieldErrors) Error() string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(e)) {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", name, strings.Join(e[name], " "))
	}
	return b.String()
}

// Add appends a sentence to a field's list.
func (e FieldErrors) Add(field, format string, args ...any) {
	e[field] = append(e[field], fmt.Sprintf(format, args...))
}

// OrNil returns e as an error if it says anything, else nil.
func (e FieldErrors) OrNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// An InputError is a fault of a request that belongs to no body: a bad href, a protected
// version, an unknown filter. It is a 400.
type InputError struct {
	Field    string // the parameter that is wrong; empty if none
	Messages []string

	bare bool // it is told without the parameter's name
}

// Error joins the messages.
func (e *InputError) Error() string {
	if e.Field == "" {
		return strings.Join(e.Messages, " ")
	}
	return e.Field + ": " + strings.Join(e.Messages, " ")
}

// Refuse makes an [InputError] of one sentence.
func Refuse(format string, args ...any) error {
	return &InputError{Messages: []string{fmt.Sprintf(format, args...)}}
}

// A TaskError is the failure of a task as its record tells it: a sentence for a person, and
// a code that stays the same over versions. Return one from a handler to choose both; any
// other error is recorded with its text.
type TaskError struct {
	Code string // "PLP0013"; empty for none
	Text string
	Err  error
}

// Error returns the text.
func (e *TaskError) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Err }

// A sentence is what a client reads of what is wrong with a value.
type sentence string

func (s sentence) Error() string { return string(s) }

func sentencef(format string, args ...any) error { return sentence(fmt.Sprintf(format, args...)) }
