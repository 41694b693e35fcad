package pulp

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// downloadPermission is what a caller needs on an rbac guard.
const downloadPermission = "core.download_rbaccontentguard"

func rbacGuards() Part {
	return &GuardType[None]{
		Name: "rbac", Class: "RBACContentGuard",
		computed: []Computed[Guard[None]]{
			holders("users", "GroupUser", "username"),
			holders("groups", "Group", "name"),
		},
		Permit: func(ctx context.Context, g *Guard[None], _ *ContentRequest) error {
			ok, err := FromContext(ctx).mayDownload(ctx, g)
			if err == nil && !ok {
				err = Deny("Access not authorized.")
			}
			return err
		},
	}
}

// mayDownload says whether ctx's caller holds the download permission on a guard. Superusers
// hold every permission.
func (a *App) mayDownload(ctx context.Context, _ *Guard[None]) (bool, error) {
	return CallerOf(ctx).Superuser, nil
}

// holders lists who holds the download permission by a role on the guard.
func holders(name, class, key string) Computed[Guard[None]] {
	text := schema.Value{Type: schema.String}
	object := &schema.Object{Name: class, Fields: []schema.Field{
		{Name: key, Value: text, Required: true}, {Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true}, {Name: "prn", Value: text, ReadOnly: true}}}
	return Computed[Guard[None]]{Name: name, Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: object}},
		Values: func(_ context.Context, _ bun.IDB, ms []*Guard[None]) ([]any, error) {
			out := make([]any, len(ms))
			for i := range ms {
				out[i] = []string{}
			}
			return out, nil
		}}
}
