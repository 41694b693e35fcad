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
		computed: []Computed[Guard[None]]{holders("users", "GroupUser", userFields()), holders("groups", "Group", groupFields())},
		Permit: func(ctx context.Context, g *Guard[None], _ *ContentRequest) error {
			ok, err := FromContext(ctx).mayDownload(ctx, g)
			if err == nil && !ok {
				err = Deny("Access not authorized: the permission %s is needed.", downloadPermission)
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

func userFields() []schema.Field {
	return append(identityFields(), schema.Field{Name: "username", Value: Text(), Required: true})
}

func groupFields() []schema.Field {
	return append(identityFields(), schema.Field{Name: "name", Value: Text(), Required: true}, schema.Field{Name: "id", Value: anInteger, ReadOnly: true})
}

func identityFields() []schema.Field {
	return []schema.Field{{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true}, {Name: "prn", Value: Text(), ReadOnly: true}}
}

// holders lists who holds the download permission by a role on the guard: nobody, as long as
// only superusers have permissions.
func holders(name, class string, fields []schema.Field) Computed[Guard[None]] {
	value := schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: &schema.Object{Name: class, Fields: fields}}}
	return Computed[Guard[None]]{Name: name, Value: value, Values: func(_ context.Context, _ bun.IDB, ms []*Guard[None]) ([]any, error) {
		out := make([]any, len(ms))
		for i := range ms {
			out[i] = []string{}
		}
		return out, nil
	}}
}
