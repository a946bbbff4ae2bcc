"""The Kubernetes API, as far as serving needs it: namespaces are watched, a few objects are asked for.

On the serving path this is urllib3 in threads rather than the `kubernetes` package, which would add about 20 MiB to
every replica. The package is used where it earns that: a short-lived child process (`credentials`) runs it for
kubeconfig users of the kinds `exec` and `auth-provider`.

    access          where the API server is and how to prove who we are
    kubeconfig      access from kubeconfig files
    service_account access from a pod's service account
    credentials     the child process for exec and auth-provider users
    api             requests and watches over HTTP, with deadlines and errors that carry no secrets
    namespaces      the cache of namespaces' labels, kept up to date by a thread
"""
