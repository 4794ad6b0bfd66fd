"""What a link of a deployment is worth: dial every node of the signed view, look at the bytes, grade (N6).

`python -m essaim_client.linkgrade NETWORK_FILE`, or tools/linkgrade. Exit code 0: every link has the top grade.
"""
