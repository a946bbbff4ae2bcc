"""What is told about decisions after they are made: metrics and the decision log. Nothing here can change one."""
