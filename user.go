package pulp

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/password"
	"github.com/gopulp/pulp/internal/schema"
)

// A userRecord is an account as the API shows it. Its password comes in as text and is a hash from
// then on, see preparePassword.
type userRecord struct {
	bun.BaseModel `bun:"table:account,alias:ac"`
	Key           int64   `bun:"id,pk,autoincrement" json:"id" pulp:"readonly"`
	Username      string  `bun:"username" json:"username" validate:"required,max=150" pulp:"unique,filter" doc:"Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only."`
	Password      *string `bun:"password" json:"password" pulp:"writeonly,raw" doc:"Users password. Set to null to disable password authentication."`
	FirstName     string  `bun:"first_name" json:"first_name" validate:"max=150" pulp:"blank,filter" doc:"First name"`
	LastName      string  `bun:"last_name" json:"last_name" validate:"max=150" pulp:"blank,filter" doc:"Last name"`
	Email         string  `bun:"email" json:"email" validate:"omitempty,email" pulp:"blank,filter,format=email" doc:"Email address"`
	Staff         bool    `bun:"is_staff" json:"is_staff" default:"false" pulp:"filter" doc:"Designates whether the user can log into this admin site."`
	Active        bool    `bun:"is_active" json:"is_active" default:"true" pulp:"filter" doc:"Designates whether this user should be treated as active."`
	Joined        Time    `bun:"date_joined,notnull" json:"date_joined" pulp:"readonly" doc:"Date joined"`
	Superuser     bool    `bun:"is_superuser" json:"-"`
}

// A groupLink is a group as its members name it.
type groupLink struct {
	Name string `json:"name" validate:"required,max=150" doc:"Name."`
	Href string `json:"pulp_href"`
	PRN  string `json:"prn"`
}

func groupLinkObject() *schema.Object {
	return &schema.Object{Name: "UserGroup", Fields: []schema.Field{
		{Name: "name", Value: schema.Value{Type: schema.String}, Required: true, Doc: "Name."},
		{Name: "pulp_href", Value: schema.Value{Type: schema.String, Format: "uri"}, ReadOnly: true},
		{Name: "prn", Value: schema.Value{Type: schema.String}, ReadOnly: true},
	}}
}

func userViews() *ViewSet[userRecord] {
	return &ViewSet[userRecord]{
		Path: "users", Name: "user", class: "User", app: "auth", kind: accountKind, roleless: true,
		sorts: map[string]string{"is_superuser": "ac.is_superuser", "last_login": "0 + 0", "password": "ac.password IS NOT NULL"},
		rules: func(g *guard) []rule {
			g.owned = true // roles may be on a user, by users/{}/roles/ alone
			defer func() { g.owned = false }()
			return []rule{{[]string{"list"}, nil}, {[]string{"retrieve"}, g.has("view")}, {[]string{"create"}, []string{onModel + right(g.stem, "add")}},
				{[]string{"update", "partial_update"}, g.has("change", "view")}, {[]string{"destroy"}, g.has("delete", "view")}}
		},
		Serializer: Serializer[userRecord]{
			Validate: validUser,
			Computed: []Computed[userRecord]{{Name: "groups", Doc: "Groups the user is a member of.", Values: groupsOfUsers,
				Value: schema.Value{Type: schema.Array, Items: &schema.Value{Type: schema.Map, Object: groupLinkObject()}}}},
		},
		prepare: preparePassword,
		Save: func(ctx context.Context, tx bun.Tx, old, m *userRecord) error {
			if old == nil || !old.Superuser || m.Active && m.Password != nil {
				return nil
			}
			return lastSuperuser(ctx, tx, m.Key, FieldErrors{NonField: {"The last superuser who can log in must stay active and keep a password."}})
		},
		Remove: func(ctx context.Context, tx bun.Tx, m *userRecord) error {
			if !m.Superuser {
				return nil
			}
			if accessOf(ctx) != nil {
				return fmt.Errorf("only superusers delete superusers: %w", ErrDenied)
			}
			return lastSuperuser(ctx, tx, m.Key, fmt.Errorf("the last superuser who can log in must stay: %w", ErrConflict))
		},
	}
}

// validUser looks at what the tags cannot say, and begins the record of a new user.
func validUser(ctx context.Context, _ bun.IDB, old, m *userRecord) error {
	if old == nil {
		m.Joined = FromContext(ctx).now()
	}
	if (old == nil || old.Username != m.Username) && !goodUsername(m.Username) {
		return FieldErrors{"username": {"Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."}}
	}
	return nil
}

const otherSuperuserSQL = "SELECT 1 FROM account WHERE is_superuser AND is_active AND password IS NOT NULL AND id <> ? LIMIT 1"

// lastSuperuser returns an error if nobody else is a superuser who can log in.
func lastSuperuser(ctx context.Context, tx bun.Tx, id int64, refusal error) error {
	there := 0
	if err := scanOne(ctx, tx, otherSuperuserSQL, []any{id}, &there); err != nil {
		return fmt.Errorf("look for another superuser: %w", err)
	}
	if there == 0 {
		return refusal
	}
	return nil
}

// preparePassword puts the hash of a password into the place of the password, before anything
// reads the body. Hashing is slow by intent, and so happens outside the transaction.
func preparePassword(ctx context.Context, old *userRecord, in map[string]json.RawMessage) error {
	if old != nil && old.Superuser && accessOf(ctx) != nil {
		return fmt.Errorf("only superusers change superusers: %w", ErrDenied)
	}
	raw, ok := in["password"]
	if !ok || isNull(raw) {
		return nil
	}
	plain, err := decodeString(raw)
	if err != nil {
		return FieldErrors{"password": {err.Error()}}
	}
	about := userRecord{}
	if old != nil {
		about = *old
	}
	for name, to := range map[string]*string{"username": &about.Username, "first_name": &about.FirstName, "last_name": &about.LastName, "email": &about.Email} {
		if raw, ok := in[name]; ok {
			*to = unquoted(raw)
		}
	}
	if faults := passwordFaults(plain, &about); faults != nil {
		return FieldErrors{"password": faults}
	}
	in["password"], err = json.Marshal(password.Hash(plain))
	return err
}

const groupsOfUsersSQL = `SELECT m.account_id, g.id, g.name FROM account_group_member m CROSS JOIN account_group g ON g.id = m.group_id
WHERE m.account_id IN (SELECT value FROM json_each(?)) ORDER BY m.account_id, g.id`

func groupsOfUsers(ctx context.Context, db bun.IDB, us []*userRecord) ([]any, error) {
	of := map[int64][]groupLink{}
	err := eachOf(ctx, db, groupsOfUsersSQL, []any{jsonIDs(idsOf(us, func(u *userRecord) int64 { return u.Key }))}, func(scan func(...any) error) error {
		var user, group int64
		var name string
		err := scan(&user, &group, &name)
		href, prn := FromContext(ctx).nameOf(ctx, groupKind, group)
		of[user] = append(of[user], groupLink{name, href, prn})
		return err
	})
	out := make([]any, len(us))
	for i, u := range us {
		if out[i] = of[u.Key]; of[u.Key] == nil {
			out[i] = []groupLink{}
		}
	}
	return out, err
}

// nameOf is the href and the PRN of an account or a group.
func (a *App) nameOf(ctx context.Context, kindName string, id int64) (href, prn string) {
	e := a.kinds[kindName].ends[0]
	return a.href(ctx, e, fmt.Sprint(id), nil), "prn:" + e.prn + ":" + fmt.Sprint(id)
}
