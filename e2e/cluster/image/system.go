package image

import (
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs returns this system's programs, with their libraries, under paths in an image.
func Programs(programs map[string]string) (map[string]string, error) {
	all := map[string]string{}
	for path, program := range programs {
		found, err := exec.LookPath(program)
		if err == nil {
			found, err = filepath.EvalSymlinks(found)
		}
		if err != nil {
			return nil, err
		}
		libraries, err := Libraries(found)
		if err != nil {
			return nil, err
		}
		all[path] = found
		maps.Copy(all, libraries)
	}
	return all, nil
}

// PostgreSQL returns an image of this system's PostgreSQL. It reads the variables of the image on Docker
// Hub, and runs as root, with a user of its own for the server, or as any other user.
func PostgreSQL(tag string) (i Image, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return i, errors.Join(errors.New("there is no PostgreSQL in /usr/lib/postgresql"), err)
	}
	bin := found[len(found)-1]
	programs := map[string]string{"/usr/local/bin/pg_isready": bin + "/pg_isready"}
	for _, name := range []string{"sh", "id", "mkdir", "chown", "setpriv"} {
		programs["/bin/"+name] = name
	}
	for _, name := range []string{"postgres", "initdb"} {
		programs[bin+"/"+name] = bin + "/" + name
	}
	all, err := Programs(programs)
	if err != nil {
		return i, err
	}
	version := filepath.Base(filepath.Dir(bin))
	for _, dir := range []string{"/usr/lib/postgresql/" + version + "/lib", "/usr/share/postgresql/" + version, "/usr/share/zoneinfo"} {
		all[dir] = dir
	}
	return Image{
		Tag: tag, Files: all, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, Entrypoint: []string{"/bin/sh", "/entrypoint"},
		Dirs: []Dir{{Path: "/tmp", Mode: 0o1777}, {Path: "/run/postgresql", Mode: 0o755, Owner: 70}},
		Texts: map[string]string{
			"/etc/passwd": "root:x:0:0::/root:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n",
			"/entrypoint": strings.ReplaceAll(entrypoint, "BIN", bin),
		},
	}, nil
}

// entrypoint makes the database and the user of the variables, if there is none, and starts the server.
const entrypoint = `set -e
data=/var/lib/postgresql/18/docker
as= # not root: nothing to change
[ "$(id -u)" != 0 ] || as="setpriv --reuid=70 --regid=70 --clear-groups"
if [ ! -f $data/PG_VERSION ]; then
	mkdir -p $data
	[ -z "$as" ] || chown -R 70:70 /var/lib/postgresql
	echo "$POSTGRES_PASSWORD" > /tmp/password
	$as BIN/initdb -D $data -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 --no-locale -E UTF8
	echo "host all all all scram-sha-256" >> $data/pg_hba.conf
	[ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE $POSTGRES_DB;" | $as BIN/postgres --single -D $data postgres
fi
exec $as BIN/postgres -D $data -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
`
