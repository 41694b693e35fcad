package pulp

import (
	"context"
	"sync"
)

// A Caller is on whose behalf something is done.
type Caller struct {
	AccountID     *int64 // nil: nobody, or somebody whom only the host knows
	Username      string
	Superuser     bool
	CorrelationID string // of the request; tasks remember it
}

// WithCaller returns a context in which everything is done on behalf of c. If ctx is restricted
// to what its caller may do, see [App.Restrict], the new one is to what c may.
func WithCaller(ctx context.Context, c Caller) context.Context {
	if acc, _ := ctx.Value(accessKey).(*access); acc != nil {
		ctx = context.WithValue(ctx, accessKey, newAccess(acc.app, c))
	}
	return context.WithValue(ctx, callerKey, c)
}

// WithCallerFunc is [WithCaller] for a caller whom find finds out, once, when somebody first asks for them: to verify a
// password costs more than most of what is served. ctx must not be restricted.
func WithCallerFunc(ctx context.Context, find func() Caller) context.Context {
	return context.WithValue(ctx, callerKey, sync.OnceValue(find))
}

// CallerOf returns on whose behalf ctx acts; the zero Caller if nobody said.
func CallerOf(ctx context.Context) Caller {
	switch c := ctx.Value(callerKey).(type) {
	case Caller:
		return c
	case func() Caller:
		return c()
	}
	return Caller{}
}
